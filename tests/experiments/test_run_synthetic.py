"""The experiment: what is solved with which options, going on after a kill, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from expandcluster.cli import app
from expandcluster.errors import BadInput
from expandcluster.experiments import synthetic
from expandcluster.experiments.rows import read_rows
from expandcluster.experiments.synthetic import SETTINGS, options_for, run_folder_of, run_synthetic
from expandcluster.options import LMOptions
from expandcluster.problems.synthetic import SyntheticProblem, synthetic_teacher
from expandcluster.results import Recovery, Verdict

PROBLEMS = (SyntheticProblem(2, 2, 0), SyntheticProblem(2, 2, 1), SyntheticProblem(4, 2, 0))


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was given to `recover`, which is not run: it returns the truth, or what `solved` says."""
    calls: list[dict[str, Any]] = []

    def recover(teacher: Any, **arguments: Any) -> Recovery:
        calls.append({"teacher": teacher, **arguments})
        words = dict(part.split("=") for part in arguments["out"].name.split(","))
        truth = synthetic_teacher(int(words["d"]), int(words["r"]), int(words["seed"]))
        return Recovery(truth, Verdict.EXACT, 1e-31, 1e-32, 1112, 1.5, None, (), np.array([1e-30, np.inf]),
                        arguments["seed"], {}, steps=np.array([3, 4]), students_at_floor=1)

    monkeypatch.setattr(synthetic, "recover", recover)
    monkeypatch.setattr(synthetic.jax, "clear_caches", lambda: None)
    return calls


def test_rows_say_what_was_found(solved: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = run_synthetic(PROBLEMS, "default", (None, 4.0), tmp_path / "new" / "out")
    assert len(rows) == len(solved) == 6 and rows == read_rows(tmp_path / "new" / "out" / "rows.jsonl")
    one = rows[3]
    assert one.key == ("default", 4.0, 2, 2, 0) and one.losses == (1e-30, None) and one.reached == one.at_floor == 1
    assert (one.found, one.max_parameter_error, one.verdict, one.steps) == (2, 0.0, "EXACT", 7)
    assert {call["out"].parent.name for call in solved} == {"default", "default-rho4"}
    assert [call["teacher"].name == "table" for call in solved] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("cut", [0, 40])
def test_what_a_killed_run_has_finished_is_not_solved_again(cut: int, solved: list[dict[str, Any]],
                                                            tmp_path: Path) -> None:
    whole = run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)
    path = tmp_path / "rows.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:cut])  # killed while the third row was written
    solved.clear()
    again = run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)
    assert again[:2] == whole[:2] and again[2].key == whole[2].key
    assert [call["out"].name for call in solved] == [PROBLEMS[2].name]
    solved.clear()
    run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)
    assert not solved
    run_synthetic(PROBLEMS[:1], "default", (2.0,), tmp_path)
    run_synthetic(PROBLEMS[:1], "lm", (4.0,), tmp_path)
    assert len(solved) == 2 and len(read_rows(path)) == 5


def test_a_failure_in_the_middle_keeps_the_rows(solved: list[dict[str, Any]], tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    recover = synthetic.recover

    def stops(teacher: Any, **arguments: Any) -> Recovery:
        if len(solved) == 2:
            raise KeyboardInterrupt
        return recover(teacher, **arguments)

    monkeypatch.setattr(synthetic, "recover", stops)
    with pytest.raises(KeyboardInterrupt):
        run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)
    assert len(read_rows(tmp_path / "rows.jsonl")) == 2
    monkeypatch.setattr(synthetic, "recover", recover)
    assert len(run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)) == 3 and len(solved) == 3


def test_other_folders_are_refused_and_left_alone(solved: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="other files"):
        run_synthetic(PROBLEMS, "default", (4.0,), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]
    run_synthetic(PROBLEMS[:1], "lm", (4.0,), tmp_path / "few", samples=200)
    with pytest.raises(BadInput, match="another experiment"):
        run_synthetic(PROBLEMS[:1], "lm", (4.0,), tmp_path / "few")
    assert len(solved) == 1


def test_the_options_of_every_settings() -> None:
    problem = SyntheticProblem(8, 4, 0)
    assert options_for(problem, "default", None).expand.widths != (16,)
    default, paper, lm = (options_for(problem, settings, 4.0) for settings in SETTINGS)
    assert [o.expand.widths for o in (default, paper, lm)] == [(16,)] * 3
    assert [o.expand.students for o in (default, paper, lm)] == [20] * 3
    assert [o.expand.prune for o in (default, paper, lm)] == [True, False, False]
    assert [o.expand.keep for o in (default, paper, lm)] == ["floor", "all", "all"]
    assert (paper.cluster.cut, paper.cluster.gamma, paper.cluster.contribution) == ("paper", 0.8, 0.0)
    assert lm.cluster == default.cluster and lm.expand.trainers == (LMOptions(),)
    assert len(paper.expand.trainers) == 2
    assert options_for(problem, "paper", 1.0).expand.trainers[1] != paper.expand.trainers[1]
    few = options_for(problem, "lm", 4.0, 150).queries
    assert few.least_samples == 150 and few.per_parameter < 1e-3


@pytest.mark.parametrize(("settings", "rho", "samples", "words"), [
    ("fast", 4.0, None, "default or paper or lm"), ("paper", None, None, "from 1 to 64"), ("lm", None, None, "from 1"),
    ("default", 0.5, None, "from 1"), ("default", float("nan"), None, "from 1"), ("default", 65.0, None, "from 1"),
    ("default", None, 100, "and a rho"), ("lm", 4.0, 0, "positive integer")])
def test_options_that_do_not_exist(settings: str, rho: float | None, samples: int | None, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        options_for(PROBLEMS[0], settings, rho, samples)


def test_a_table_has_as_many_rows_as_are_trained_on(solved: list[dict[str, Any]], tmp_path: Path) -> None:
    run_synthetic(PROBLEMS[:1], "lm", (4.0,), tmp_path / "few", samples=200)
    run_synthetic(PROBLEMS[:1], "lm", (4.0,), tmp_path / "many")
    few, many = (call["teacher"].x for call in solved)
    assert len(few) == 223 and len(many) == 1112  # a tenth is held out
    np.testing.assert_array_equal(few, many[:223])
    assert run_folder_of(tmp_path / "few", PROBLEMS[0], "lm", 4.0).parts[-2:] == ("lm-rho4", "d=2,r=2,seed=0")


def _command(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["benchmark", "synthetic", *map(str, arguments)])


@pytest.mark.parametrize(("only", "names"), [
    (["d=2,r=2,seed=0"], ["d=2,r=2,seed=0"]),
    (["r=8,seed=1,d=2", "d=2,r=8,seed=1"], ["d=2,r=8,seed=1"]),
    (["d=2,r=2,seed=0", "d=32, r=8, seed=9"], ["d=2,r=2,seed=0", "d=32,r=8,seed=9"]),
    (["d=4,seed=3", "d=4,seed=3"], ["d=4,r=2,seed=3", "d=4,r=4,seed=3", "d=4,r=8,seed=3"])])
def test_the_command_solves_what_was_chosen(only: list[str], names: list[str], solved: list[dict[str, Any]],
                                            tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if len(only) > 1:
        monkeypatch.setattr("expandcluster.experiments.figures.draw_synthetic", lambda out: [])
    filters = [word for text in only for word in ("--only", text)]
    done = _command(*filters, "--rho", "1,4", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert [call["out"].name for call in solved] == names * 2
    result = json.loads(done.stdout)
    assert [s["rho"] for s in result["summaries"]] == [1.0, 4.0]
    assert all(s["problems"] == s["recovered"] == len(names) for s in result["summaries"])
    assert Path(result["rows"]).is_file() and all(Path(figure).is_file() for figure in result["figures"])


@pytest.mark.parametrize(("settings", "rho"), [("default", None), ("paper", 4.0), ("lm", 4.0)])
def test_the_rho_of_every_settings(settings: str, rho: float | None, solved: list[dict[str, Any]], tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expandcluster.experiments.figures.draw_synthetic", lambda out: [])
    done = _command("--settings", settings, "--only", "d=2,r=2,seed=0", "--out", tmp_path / "out")
    assert done.exit_code == 0 and "Rows: " in done.stdout
    assert read_rows(tmp_path / "out" / "rows.jsonl")[0].rho == rho


def test_wrongly_called_exact_is_exit_code_3(solved: list[dict[str, Any]], tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expandcluster.experiments.figures.draw_synthetic", lambda out: [])
    other = synthetic_teacher(2, 2, 5)
    found = Recovery(other, Verdict.EXACT, 1e-31, 1e-32, 1, 1.0, None, (), np.ones(1), 0, {})
    monkeypatch.setattr(synthetic, "recover", lambda *_, **__: found)
    assert _command("--only", "d=2,r=2,seed=0", "--out", tmp_path / "out").exit_code == 3


@pytest.mark.parametrize("arguments", [
    ["--only", "d"], ["--only", "d=3"], ["--only", "d=2;r=2"], ["--only", "x=2"], ["--only", "d=-2"],
    ["--only", "d=2.0"], ["--only", ""], ["--only", "seed=10"], ["--rho", ""], ["--rho", "x"], ["--rho", "1,,2"],
    ["--rho", "nan"], ["--rho", "inf"], ["--rho", "0.5"], ["--rho", "100"], ["--settings", "fast"],
    ["--settings", "fast", "--rho", "4"], ["--nonsense"]])
def test_bad_filters_are_exit_code_2(arguments: list[str], solved: list[dict[str, Any]], tmp_path: Path) -> None:
    done = _command(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2 and not solved
    assert "Traceback" not in done.output and not (tmp_path / "out").exists()


def test_a_damaged_row_is_exit_code_2(solved: list[dict[str, Any]], tmp_path: Path) -> None:
    run_synthetic(PROBLEMS[:1], "default", (4.0,), tmp_path)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write("{}\n")
    done = _command("--rho", "4", "--only", "d=2,r=2,seed=1", "--out", tmp_path)
    assert done.exit_code == 2 and "line 2" in done.stderr
