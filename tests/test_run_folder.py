"""Run folders: one run each, nothing asked twice, and a killed run goes on where it stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.problems import random_teacher

from expandcluster.activations import get_activation
from expandcluster.errors import BadInput, BudgetSpent, ExpandClusterError, RunFolderError, TeacherError
from expandcluster.export import open_network
from expandcluster.options import (
    BFGSOptions,
    ClusterOptions,
    ExpandOptions,
    GradientFlowOptions,
    QueryOptions,
    RecoverOptions,
)
from expandcluster.queries.answers import Answers
from expandcluster.queries.ledger import Ledger
from expandcluster.queries.probe import Probe
from expandcluster.queries.row_space import RowSpace
from expandcluster.queries.source import Source
from expandcluster.reconstruct.layers import Reconstruction
from expandcluster.results import Recovery, Verdict
from expandcluster.run_folder import Run, describe, open_run
from expandcluster.teachers import Teacher

TANH = get_activation("tanh")
NETWORK = random_teacher((2, 3, 1), "tanh", 0)
PROBE = Probe(1e-16, 1e-32, 1e-26, False)
X = np.random.default_rng(0).normal(size=(30, 2))


def _exact(x: np.ndarray) -> np.ndarray:
    """The same to the last bit, whatever the inputs it is asked together with."""
    return x[:, :1] * x[:, 1:] + x[:, :1]


class Counting(Teacher):
    """Remembers every input it is asked, and dies once it was asked ``dies_after``."""

    def __init__(self, dies_after: int | None = None, asked: int = 0) -> None:
        super().__init__(2, 1, np.float64, "counting", asked=asked)
        self.rows: list[bytes] = []
        self.dies_after = dies_after

    def ask(self, x: np.ndarray) -> np.ndarray:
        if self.dies_after is not None and len(self.rows) + len(x) > self.dies_after:
            raise KeyboardInterrupt
        self.rows += [row.tobytes() for row in x]
        return _exact(x)


def _about(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"teacher": Teacher.from_network(NETWORK), "activations": (TANH,), "depths": (1,),
                              "output": "auto", "seed": 0, "inputs": None, "options": RecoverOptions()}
    return describe(**{**values, **changes})


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# The file of answers.


def test_answers_are_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "answers.bin"
    for sitting in range(2):
        teacher, answers = Counting(), Answers(path, 1)
        ledger = Ledger(teacher, None, answers)
        np.testing.assert_array_equal(ledger.ask(X), _exact(X))
        np.testing.assert_array_equal(ledger.ask(X[::-1]), _exact(X)[::-1])
        assert len(teacher.rows) == (30 if sitting == 0 else 0)
        assert ledger.queries == len(answers) == 30
        answers.close()
    assert path.stat().st_size == 30 * (16 + 8)


def test_answers_are_on_the_disk_before_they_are_used(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.bin", 1)
    y = Ledger(Counting(), None, answers).ask(X)
    records = np.fromfile(tmp_path / "answers.bin", np.dtype([("key", "V16"), ("y", "<f8", (1,))]))  # still open
    np.testing.assert_array_equal(records["y"], y)
    answers.close()


def test_many_answers_of_many_outputs(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(9001, 2))  # more than two batches, and than the first arrays hold
    teacher = Teacher.from_callable(lambda x: np.concatenate([x, x**2], axis=1), 2)
    for _ in range(2):
        answers = Answers(tmp_path / "answers.bin", 4)
        ledger = Ledger(teacher, None, answers)
        for part in np.split(x, [1, 1000, 1030]):
            np.testing.assert_array_equal(ledger.ask(part), np.concatenate([part, part**2], axis=1))
        assert ledger.queries == 9001 + teacher.asked
        answers.close()


@pytest.mark.parametrize("cut", [1, 7, 16, 23])
def test_a_torn_record_is_dropped_and_asked_again(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "answers.bin"
    answers = Answers(path, 1)
    Ledger(Counting(), None, answers).ask(X)
    answers.close()
    path.write_bytes(path.read_bytes()[:-cut])
    teacher, answers = Counting(), Answers(path, 1)
    assert len(answers) == 29
    np.testing.assert_array_equal(Ledger(teacher, None, answers).ask(X), _exact(X))
    assert teacher.rows == [X[29].tobytes()]
    answers.close()
    assert path.stat().st_size == 30 * 24


@given(st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=8), st.integers(0, 12))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_asked_twice_and_the_budget_is_a_hard_limit(tmp_path: Path, asked: list[list[int]],
                                                               budget: int) -> None:
    (tmp_path / "answers.bin").unlink(missing_ok=True)
    teacher, answers = Counting(), Answers(tmp_path / "answers.bin", 1)
    ledger, seen = Ledger(teacher, budget, answers), set[int]()
    for rows in asked:
        wanted = seen | set(rows)
        affordable = ledger.affordable(X[rows])
        assert (affordable == len(rows)) == (len(wanted) <= budget)
        assert len(seen | set(rows[:affordable])) <= budget
        if len(wanted) <= budget:
            np.testing.assert_array_equal(ledger.ask(X[rows]), _exact(X[rows]))
            seen = wanted
        else:
            with pytest.raises(BudgetSpent, match=rf"budget of {budget} does not allow .*raise max_queries"):
                ledger.ask(X[rows])
        assert ledger.queries == len(teacher.rows) == len(set(teacher.rows)) == len(seen) <= budget
        assert ledger.available == budget - len(seen)
    answers.close()


@pytest.mark.parametrize("stored", [True, False])
def test_what_the_teacher_was_asked_when_opened_counts(stored: bool, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.bin", 1) if stored else None
    teacher = Counting(asked=1)
    ledger = Ledger(teacher, 10, answers)
    ledger.ask(X[:4])
    assert (ledger.queries, ledger.available, ledger.affordable(X[10:])) == (5, 5, 5)
    with pytest.raises(BudgetSpent, match=r"budget of 10 does not allow 6 more after 5"):
        ledger.ask(X[10:16])
    assert len(teacher.rows) == 4
    ledger.ask(X[10:15])
    assert (ledger.queries, ledger.available, len(teacher.rows)) == (10, 0, 9)


def test_asking_again_on_purpose_asks_and_counts(tmp_path: Path) -> None:
    teacher, answers = Counting(), Answers(tmp_path / "answers.bin", 1)
    ledger = Ledger(teacher, 10, answers)
    for again, queries in ((0, 4), (1, 8), (1, 8), (0, 8)):
        np.testing.assert_array_equal(ledger.ask(X[:4], again=again), _exact(X[:4]))
        assert ledger.queries == len(teacher.rows) == queries
    with pytest.raises(BudgetSpent):
        ledger.ask(X[:4], again=2)


def test_answers_that_cannot_be_used_are_not_stored(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.bin", 1)
    for answer in (np.full((30, 1), np.nan), np.zeros((30, 2)), np.zeros((29, 1))):
        teacher = Teacher.from_callable(lambda x, answer=answer: answer if len(x) == 30 else x[:, :1], 2)
        with pytest.raises(TeacherError):
            Ledger(teacher, None, answers).ask(X)
    assert len(answers) == (tmp_path / "answers.bin").stat().st_size == 0


def test_a_full_disk_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(tmp_path / "answers.bin", 1)
    ledger = Ledger(Counting(), None, answers)
    ledger.ask(X[:10])

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ExpandClusterError, match=r"could not be written .*No space left.*kept.*Free space and run"):
        ledger.ask(X)
    assert ledger.queries == 10
    answers.close()
    assert len(Answers(tmp_path / "answers.bin", 1)) >= 10


LIMITED = """
import resource, signal, sys, numpy as np
from pathlib import Path
from expandcluster.activations import get_activation
from expandcluster.errors import ExpandClusterError
from expandcluster.queries.ledger import Ledger
from expandcluster.run_folder import open_run
from expandcluster.teachers import Teacher
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
teacher = Teacher.from_callable(lambda x: x[:, :1], 2)
try:
    with open_run(Path(sys.argv[1]), {"outputs": 1}, (get_activation("tanh"),)) as run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        Ledger(teacher, None, run.answers).ask(np.arange(200.0).reshape(100, 2))
except ExpandClusterError as error:
    print("refused:", error)
"""


def test_a_write_that_is_cut_short_is_explained(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "run")], capture_output=True, text=True,
                          timeout=120)
    assert done.stdout.startswith("refused: answers could not be written"), done.stderr
    assert done.returncode == 0
    assert len(Answers(tmp_path / "run" / "answers.bin", 1)) <= 1000 // 24


# The folder.


def test_a_run_in_memory_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_run(None, _about(), (TANH,)) as run:
        assert run.folder is run.answers is None
        assert run.stage("probe", lambda: PROBE) == PROBE
        assert set(run.timings) == {"probe"} and run.seconds >= 0
    assert not list(tmp_path.iterdir())


def test_finished_stages_are_not_run_again(tmp_path: Path) -> None:
    stages: dict[str, Any] = {"probe": PROBE, "reduce": RowSpace(np.eye(2)[:, :1], np.array([2.0, 0.0])),
                              "cluster": Reconstruction(NETWORK, ()), "fine_tune": NETWORK, "certify": None}
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        for name, value in stages.items():
            assert run.stage(name, lambda x: x, value) is value
        timings = dict(run.timings)
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        found = {name: run.stage(name, pytest.fail, "run again") for name in stages}
        assert run.timings == timings
    assert found["probe"] == PROBE and found["certify"] is None
    np.testing.assert_array_equal(found["reduce"].basis, stages["reduce"].basis)
    for network in (found["cluster"].network, found["fine_tune"]):
        assert network.activation == TANH
        for a, b in zip((*network.weights, *network.biases), (*NETWORK.weights, *NETWORK.biases), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_stage_that_fails_is_run_again(tmp_path: Path) -> None:
    def fail() -> Probe:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_run(tmp_path / "run", _about(), (TANH,)) as run:
        run.stage("probe", fail)
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        assert run.stage("probe", lambda: PROBE) == PROBE


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed is 0; expected seed 1"),
    "depth": ({"depths": (2,)}, "hidden_layers is 1; expected hidden_layers 2"),
    "output": ({"output": "softmax"}, "output is 'auto'; expected output 'softmax'"),
    "activation": ({"activations": (get_activation("relu"),)}, "activation is 'tanh'; expected activation 'relu'"),
    "teacher": ({"teacher": Teacher.from_network(random_teacher((2, 3, 1), "tanh", 1))}, "fingerprint is '"),
    "kind of teacher": ({"teacher": Counting()}, "fingerprint is '.*'; expected fingerprint ''"),
    "inputs": ({"inputs": X}, "asked_inputs is None; expected asked_inputs '"),
    "queries": ({"options": RecoverOptions(queries=QueryOptions(scale=2.0))}, "options.queries.scale is 1.0; "),
    "students": ({"options": RecoverOptions(expand=ExpandOptions(students=9))}, "options.expand.students is 8; "),
}


@pytest.mark.parametrize("case", CHANGED)
def test_another_run_is_refused_and_what_differs_is_named(case: str, tmp_path: Path) -> None:
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        run.stage("probe", lambda: PROBE)
    before = _contents(tmp_path / "run")
    changes, message = CHANGED[case]
    with (pytest.raises(RunFolderError, match=rf"got another run: its {message}.*--out"),
          open_run(tmp_path / "run", _about(**changes), (TANH,))):
        pytest.fail("opened")
    assert _contents(tmp_path / "run") == before


def test_numbers_of_numpy_describe_the_same_run(tmp_path: Path) -> None:
    for seed in (np.int64(3), 3):
        with open_run(tmp_path / "run", _about(seed=seed), (TANH,)) as run:
            assert run.folder == tmp_path / "run"


def test_options_without_a_limit_describe_the_same_run(tmp_path: Path) -> None:
    trainers = (GradientFlowOptions(), BFGSOptions())  # time without a limit, which JSON cannot hold
    options = RecoverOptions(expand=ExpandOptions(trainers=trainers))
    for _ in range(2):
        with open_run(tmp_path / "run", _about(options=options), (TANH,)) as run:
            assert run.folder == tmp_path / "run"


def test_a_run_that_lacked_memory_goes_on_with_more(tmp_path: Path) -> None:
    little, more = (RecoverOptions(cluster=ClusterOptions(memory=memory)) for memory in (1000, 10**9))
    with open_run(tmp_path / "run", _about(options=little), (TANH,)) as run:
        run.stage("probe", lambda: PROBE)
    with open_run(tmp_path / "run", _about(options=more), (TANH,)) as run:
        assert run.stage("probe", pytest.fail, "run again") == PROBE
    other = _about(options=RecoverOptions(cluster=ClusterOptions(gamma=0.9)))
    with pytest.raises(RunFolderError, match=r"options.cluster.gamma"), open_run(tmp_path / "run", other, (TANH,)):
        pass


def test_run_json_says_what_ran(tmp_path: Path) -> None:
    about = _about(inputs=X)
    with open_run(tmp_path / "run", about, (TANH,)):
        found = json.loads((tmp_path / "run" / "run.json").read_text())
    assert found["run"] == about and about["activation"] == "tanh" and about["dtype"] == "float64"
    assert {"python", "expandcluster", "jax", "numpy"} <= set(found["versions"])


@pytest.mark.parametrize("name", ["thesis.tex", "answers.bin", "stages/probe.safetensors", "run.json/file", ".hidden"])
def test_folders_with_other_files_are_refused_and_untouched(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("kept")
    before = _contents(tmp_path)
    with (pytest.raises(RunFolderError, match=r"got a folder with other files in it; expected an empty or new.*--out"),
          open_run(tmp_path, _about(), (TANH,))):
        pytest.fail("opened")
    assert _contents(tmp_path) == before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for folder, message in ((tmp_path / "file", "got a file; expected a folder"),
                            (tmp_path / "file" / "run", "got a folder that cannot be written")):
        with pytest.raises(RunFolderError, match=message), open_run(folder, _about(), (TANH,)):
            pytest.fail("opened")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"run": 3}', '{"versions": {}}', "\x00", "[" * 100_000])
def test_a_damaged_run_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with (pytest.raises(RunFolderError, match=r"got a damaged run.json .*; expected a run.*remove this one"),
          open_run(tmp_path, _about(), (TANH,))):
        pytest.fail("opened")
    assert _contents(tmp_path) == {"run.json": text.encode()}


def test_a_run_killed_while_its_folder_was_made_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt), open_run(tmp_path / "run", _about(), (TANH,)):
            pytest.fail("opened")
    assert not (tmp_path / "run" / "run.json").exists()
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        assert run.stage("probe", lambda: PROBE) == PROBE


def test_two_in_one_folder_are_refused(tmp_path: Path) -> None:
    for about in (_about(), _about()):
        with open_run(tmp_path / "run", about, (TANH,)):
            with (pytest.raises(RunFolderError, match=r"got a folder that another process works in.*Wait for it"),
                  open_run(tmp_path / "run", _about(), (TANH,))):
                pytest.fail("opened")
            with open_run(tmp_path / "other", _about(), (TANH,)):
                pass


HOLDER = """
import sys
from pathlib import Path
from expandcluster.activations import get_activation
from expandcluster.run_folder import open_run
with open_run(Path(sys.argv[1]), {"outputs": 1, "seed": 0}, (get_activation("tanh"),)):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_two_processes_in_one_folder_are_refused_until_one_is_killed(tmp_path: Path) -> None:
    about = {"outputs": 1, "seed": 0}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        with (pytest.raises(RunFolderError, match=r"got a folder that another process works in"),
              open_run(tmp_path / "run", about, (TANH,))):
            pytest.fail("opened")
        holder.kill()
    with open_run(tmp_path / "run", about, (TANH,)) as run:
        assert run.folder is not None


def test_a_slower_process_does_not_overwrite_the_run_of_a_faster_one(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find the folder free; the second comes to the lock when the first is done."""
    from expandcluster import run_folder

    locked = run_folder._locked

    def slow(folder: Path) -> Any:
        monkeypatch.setattr(run_folder, "_locked", locked)
        with open_run(folder, _about(seed=1), (TANH,)):
            pass
        return locked(folder)

    monkeypatch.setattr(run_folder, "_locked", slow)
    with (pytest.raises(RunFolderError, match=r"got another run: its seed is 1; expected seed 0"),
          open_run(tmp_path / "run", _about(seed=0), (TANH,))):
        pytest.fail("opened")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["run"]["seed"] == 1


def _damage_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"seconds"', b'"sekunde"'))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_damage_header, _cut, _empty])
def test_damaged_stages_are_refused(damage: Callable[[Path], None], tmp_path: Path) -> None:
    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        run.stage("reduce", lambda: RowSpace(np.eye(2)))
    damage(tmp_path / "run" / "stages" / "reduce.safetensors")
    with (open_run(tmp_path / "run", _about(), (TANH,)) as run,
          pytest.raises(BadInput, match=r"reduce.safetensors: got .*; expected ")):
        run.stage("reduce", pytest.fail, "run again")


# Queries over several sittings.

_PARTS = {"probe": X[:10], "reduce": X[5:20], "certify": X[18:]}


def _sit(folder: Path, teacher: Counting, budget: int | None = None) -> int:
    """A run of three stages that ask 30 inputs in all; how many it says it asked."""
    with open_run(folder, _about(), (TANH,)) as run:
        ledger = Ledger(teacher, budget, run.answers)

        def stage(x: np.ndarray) -> Probe:
            for i in range(0, len(x), 4):
                np.testing.assert_array_equal(ledger.ask(x[i : i + 4]), _exact(x[i : i + 4]))
            return PROBE

        for name, part in _PARTS.items():
            run.stage(name, stage, part)
        return ledger.queries


@pytest.mark.parametrize("dies_after", range(0, 30, 3))
def test_a_killed_run_asks_and_counts_as_one_that_was_not(dies_after: int, tmp_path: Path) -> None:
    first, second, third = Counting(dies_after), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        _sit(tmp_path / "run", first, 30)
    assert _sit(tmp_path / "run", second, 30) == 30
    rows = first.rows + second.rows
    assert len(rows) == len(set(rows)) == 30
    assert _sit(tmp_path / "run", third, 30) == 30 and not third.rows


@pytest.mark.parametrize("dies_after", [0, 7, 12, 20])
def test_the_budget_holds_over_sittings(dies_after: int, tmp_path: Path) -> None:
    first, second = Counting(dies_after), Counting()
    with pytest.raises(KeyboardInterrupt):
        _sit(tmp_path / "run", first, 25)
    with pytest.raises(BudgetSpent, match=r"budget of 25 does not allow"):
        _sit(tmp_path / "run", second, 25)
    rows = first.rows + second.rows
    assert len(rows) == len(set(rows)) <= 25


def test_streams_are_the_same_after_a_kill(tmp_path: Path) -> None:
    def draw(teacher: Counting, answers: Answers | None) -> tuple[np.ndarray, np.ndarray]:
        source = Source(teacher, QueryOptions(max_queries=500), 0, answers=answers)
        source.samples(200)
        source.held_out(50)
        samples = source.samples(1000)
        assert source.queries == 500
        return samples.x, samples.y

    expected = draw(Counting(), None)
    answers = Answers(tmp_path / "answers.bin", 1)
    with pytest.raises(KeyboardInterrupt):
        draw(Counting(220), answers)
    answers.close()
    teacher, answers = Counting(), Answers(tmp_path / "answers.bin", 1)
    for one, other in zip(draw(teacher, answers), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(teacher.rows) == 300 and len(answers) == 500
    answers.close()


def test_a_file_of_answers_that_was_cut_is_refused(tmp_path: Path) -> None:
    """Else the run would count, and spend, fewer queries than it asked."""
    _sit(tmp_path / "run", Counting())
    (tmp_path / "run" / "answers.bin").unlink()
    with pytest.raises(RunFolderError, match=r"got 0 records; expected at least 10.*start a new run"):
        _sit(tmp_path / "run", Counting())


def test_results_are_written_as_strict_json(tmp_path: Path) -> None:
    def recovery(run: Run, network: Any, verdict: Verdict) -> Recovery:
        return Recovery(network, verdict, float("nan"), 1e-32, 12, run.seconds, None, (), np.zeros(3), 0, run.timings,
                        run.folder)

    with open_run(tmp_path / "run", _about(), (TANH,)) as run:
        run.stage("probe", lambda: PROBE)
        run.finish(recovery(run, None, Verdict.CANNOT_IMITATE))
        none = json.loads((tmp_path / "run" / "result.json").read_text(), parse_constant=pytest.fail)
        run.finish(recovery(run, NETWORK, Verdict.EXACT))
        found = json.loads((tmp_path / "run" / "result.json").read_text(), parse_constant=pytest.fail)
    assert (none["verdict"], none["network"], none["hidden_sizes"]) == ("CANNOT_IMITATE", None, None)
    assert (found["verdict"], found["hidden_sizes"], found["queries"]) == ("EXACT", [3], 12)
    assert found["relative_loss"] is None and "probe" in found["timings"]
    network = open_network(tmp_path / "run")
    np.testing.assert_array_equal(network.weights[0], NETWORK.weights[0])
    assert open_network(found["network"]).sizes == network.sizes
