"""What training has reached is stored, found again, and goes on to the last bit."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.problems import imitation

from expandcluster.activations import get_activation
from expandcluster.checkpoints import Checkpoints, checkpointed, fingerprint, in_use, store_now
from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.expand import adam as adam_file
from expandcluster.expand import levenberg_marquardt as lm_file
from expandcluster.expand.adam import adam
from expandcluster.expand.bfgs import bfgs
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import TrainedPopulation
from expandcluster.expand.slsqp import slsqp
from expandcluster.expand.train_all import train_all
from expandcluster.expand.training import End, InOnePiece, Student
from expandcluster.networks import random_population
from expandcluster.options import AdamOptions, BFGSOptions, LMOptions, SLSQPOptions

TEACHER, SAMPLES = imitation((3, 2, 2), "tanh", 1e-26)
STUDENTS = random_population((3, 4, 2), 3, 0)
OFTEN, SELDOM = 1e-9, 1e9  # seconds between checkpoints
IN_PIECES = [
    pytest.param(levenberg_marquardt, LMOptions(steps=60), lm_file._Training, id="levenberg_marquardt"),
    pytest.param(adam, AdamOptions(epochs=60, batch=64, patience=5), adam_file._Training, id="adam"),
]
ALL = [*(pytest.param(*p.values[:2], id=p.id) for p in IN_PIECES), pytest.param(bfgs, BFGSOptions(steps=20), id="bfgs"),
       pytest.param(slsqp, SLSQPOptions(steps=20), id="slsqp")]


def _same(a: TrainedPopulation, b: TrainedPopulation) -> None:
    for name in ("status", "loss", "gradient_norm", "steps"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for x, y in zip((*a.population.weights, *a.population.biases), (*b.population.weights, *b.population.biases),
                    strict=True):
        np.testing.assert_array_equal(x, y)


def _stored(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*")) if not p.name.endswith(".part")}


@pytest.mark.parametrize(("train", "options", "kind"), IN_PIECES)
def test_a_training_that_is_killed_again_and_again_ends_in_the_same_bits(
        train: Any, options: Any, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(STUDENTS, SAMPLES, TEACHER.activation, options, seed=3)
    taken: list[int] = []
    go_on, keep, kills = kind.go_on, Checkpoints.keep, 0

    def counted(self: Any, state: Any, free: Any, steps: int) -> Any:
        taken.append(steps)
        return go_on(self, state, free, steps)

    def killed(self: Checkpoints, key: str, state: dict[str, np.ndarray]) -> None:
        keep(self, key, state)
        if len(taken) >= 7:
            raise SystemExit("killed")

    monkeypatch.setattr(kind, "go_on", counted)
    monkeypatch.setattr(Checkpoints, "keep", killed)
    for _ in range(200):
        taken.clear()
        with contextlib.suppress(SystemExit), checkpointed(tmp_path / "training", OFTEN):
            _same(train(STUDENTS, SAMPLES, TEACHER.activation, options, seed=3), whole)
            break
        kills += 1
    assert 3 <= kills < 200


@pytest.mark.parametrize(("train", "options"), ALL)
def test_finished_students_are_not_trained_again(train: Any, options: Any, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    with checkpointed(tmp_path, SELDOM):
        first = train(STUDENTS, SAMPLES, TEACHER.activation, options)
        _same(train(STUDENTS, SAMPLES, TEACHER.activation, options), first)  # from memory
        store_now()
    monkeypatch.setattr("expandcluster.expand.train_all.train_for", pytest.fail)
    with checkpointed(tmp_path, SELDOM):
        _same(train(STUDENTS, SAMPLES, TEACHER.activation, options), first)
        alone = train(STUDENTS.take([2]), SAMPLES, TEACHER.activation, options)
        assert alone.loss[0] == first.loss[2]


@pytest.mark.parametrize("change", ["samples", "floor", "options", "students", "activation", "sharpness"])
def test_what_another_training_has_reached_is_not_taken(change: str, tmp_path: Path) -> None:
    samples, options, students, activation, more = SAMPLES, LMOptions(steps=5), STUDENTS, TEACHER.activation, {}
    with checkpointed(tmp_path, SELDOM):
        first = levenberg_marquardt(students, samples, activation, options)
        match change:
            case "samples":
                samples = dataclasses.replace(samples, y=samples.y + 1e-3)
            case "floor":
                samples = dataclasses.replace(samples, floor=0.5)
            case "options":
                options = LMOptions(steps=6)
            case "students":
                students = random_population((3, 4, 2), 3, 1)
            case "activation":
                activation = get_activation("sigmoid")
            case "sharpness":
                activation, more = get_activation("relu"), {"sharpness": 2.0}
        second = levenberg_marquardt(students, samples, activation, options, **more)
    alone = levenberg_marquardt(students, samples, activation, options, **more)
    _same(second, alone)
    assert not np.array_equal(second.loss, first.loss)


class Slow(InOnePiece):
    """Takes three seconds; notes how old the newest checkpoint is."""

    folder: Path
    behind: list[float]

    def begin(self, theta: Any, free: Any) -> Any:
        return (0, time.monotonic())

    def go_on(self, state: Any, free: Any, steps: int) -> Any:
        time.sleep(0.005 * steps)
        if (self.folder / "state.safetensors").exists():
            self.behind.append(time.time() - (self.folder / "state.safetensors").stat().st_mtime)
        return (state[0] + steps, state[1])

    def ended(self, state: Any, free: Any) -> End | None:
        return None if time.monotonic() - state[1] < 3 else End(np.zeros(1), 0.0, 0.0, state[0], 0, np.zeros(1), 1)

    def stored(self, state: Any) -> Any:
        return {"steps": np.asarray(state[0])}


def test_students_on_their_way_are_stored_at_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is never further behind than the interval, and a step."""
    interval, behind = 0.4, list[float]()
    monkeypatch.setattr(Slow, "folder", tmp_path, raising=False)
    monkeypatch.setattr(Slow, "behind", behind, raising=False)
    with checkpointed(tmp_path, interval) as checkpoints:
        train_all([Student(np.zeros(1), np.ones(1))], Slow(levenberg_marquardt), 0.0)
        assert checkpoints.seconds == pytest.approx(3, abs=1)
    assert len(behind) >= 10 and max(behind) < interval + 0.2  # a busy machine


def test_seconds_of_earlier_sittings_count(tmp_path: Path) -> None:
    for sitting in range(3):
        with checkpointed(tmp_path, SELDOM) as checkpoints:
            assert checkpoints.seconds >= 0.1 * sitting
            checkpoints.keep("a", {"x": np.zeros(1)})
            time.sleep(0.1)
            store_now()


def test_without_a_run_folder_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert in_use() is None
    store_now()
    levenberg_marquardt(STUDENTS, SAMPLES, TEACHER.activation, LMOptions(steps=5))
    with checkpointed(tmp_path / "training", OFTEN):
        store_now()  # nothing was trained
    assert not list(tmp_path.iterdir())


def test_an_error_and_ctrl_c_store_what_was_reached(tmp_path: Path) -> None:
    for number, error in enumerate((KeyboardInterrupt, ValueError)):
        with pytest.raises(error), checkpointed(tmp_path / str(number), SELDOM) as checkpoints:
            checkpoints.keep("a", {"x": np.arange(3)})
            checkpoints.finish("b", {"y": np.arange(2)})
            raise error
        again = Checkpoints(tmp_path / str(number), SELDOM)
        np.testing.assert_array_equal(_not_none(again.state("a"))["x"], np.arange(3))
        np.testing.assert_array_equal(_not_none(again.finished("b"))["y"], np.arange(2))
        assert again.finished("a") is again.state("b") is None


def _not_none(value: Any) -> Any:
    assert value is not None
    return value


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_full_disk_is_told_and_loses_nothing(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = levenberg_marquardt(STUDENTS, SAMPLES, TEACHER.activation, LMOptions(steps=60))
    with checkpointed(tmp_path, SELDOM):
        levenberg_marquardt(STUDENTS.take([0]), SAMPLES, TEACHER.activation, LMOptions(steps=60))
        store_now()
    before, threads = _stored(tmp_path), set(threading.enumerate())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"os.{at}", full)
        with (pytest.raises(ExpandClusterError, match=r"could not be written \(No space left.*nothing that was there"),
              checkpointed(tmp_path, OFTEN)):
            levenberg_marquardt(STUDENTS, SAMPLES, TEACHER.activation, LMOptions(steps=60))
    assert _stored(tmp_path) == before
    assert set(threading.enumerate()) <= threads
    with checkpointed(tmp_path, OFTEN):
        _same(levenberg_marquardt(STUDENTS, SAMPLES, TEACHER.activation, LMOptions(steps=60)), whole)


@pytest.mark.parametrize(("name", "contents"), [
    ("000001.safetensors", b"cut"), ("state.safetensors", b""), ("state.safetensors", None)])
def test_damaged_files_are_named(name: str, contents: bytes | None, tmp_path: Path) -> None:
    if contents is None:
        from expandcluster.storage import write_arrays

        write_arrays(tmp_path / name, {"no key": np.zeros(1)}, {})
    else:
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(BadInput, match=name):
        Checkpoints(tmp_path, SELDOM)


def test_fingerprints_tell_values_apart() -> None:
    values: list[Any] = [None, 0, 0.0, False, "0", (), (0,), (0, 0), ((0,), 0), np.zeros(1), np.zeros(2),
                         np.zeros(1, int), np.zeros((1, 1)), np.float64(0.0), np.sum, LMOptions, LMOptions(),
                         LMOptions(steps=1), get_activation("tanh"), get_activation("relu"), -0.0, "", "None"]
    assert len({fingerprint(value) for value in values}) == len(values)
    for value in (object(), lambda: SAMPLES):
        with pytest.raises(TypeError, match="no fingerprint"):
            fingerprint(value)


@pytest.mark.parametrize(("train", "options"), ALL)
def test_every_trainer_has_another_key_for_other_samples(train: Any, options: Any, tmp_path: Path) -> None:
    other = dataclasses.replace(SAMPLES, y=SAMPLES.y[:, ::-1])
    with checkpointed(tmp_path, SELDOM):
        first = train(STUDENTS, SAMPLES, TEACHER.activation, options)
        second = train(STUDENTS, other, TEACHER.activation, options)
    _same(second, train(STUDENTS, other, TEACHER.activation, options))
    assert (first.loss != second.loss).all()
