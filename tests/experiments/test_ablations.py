"""Ablations on two small problems that are really trained, and their figures on points by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from expandcluster.cli import app
from expandcluster.cluster.tree import cut_again, link
from expandcluster.errors import BadInput
from expandcluster.experiments import ablations, synthetic
from expandcluster.experiments.ablation_figures import ablation_figure, cut_figure, draw_ablations
from expandcluster.experiments.ablations import CUTS, QUESTIONS, Point, right, run_ablations
from expandcluster.experiments.synthetic import run_synthetic
from expandcluster.options import ClusterOptions
from expandcluster.plot import ablation
from expandcluster.problems.synthetic import SyntheticProblem, synthetic_teacher
from expandcluster.results import LayerClusters

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

PROBLEMS = (SyntheticProblem(4, 2, 0), SyntheticProblem(4, 2, 1))
TRUTH = synthetic_teacher(4, 3, 0)


@pytest.fixture(scope="module", autouse=True)
def _few_students() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(synthetic._STUDENTS, 2, 8)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, _few_students: None) -> Path:
    out = tmp_path_factory.mktemp("lm") / "runs"
    run_synthetic(PROBLEMS, "lm", (4.0,), out)
    return out


@pytest.fixture(scope="module")
def points(runs: Path) -> tuple[Point, ...]:
    return run_ablations(runs, runs / "ablations", train=False)


def _clusters(vectors: np.ndarray, students: int = 3) -> LayerClusters:
    """Copies of some vectors in every student."""
    all_ = np.concatenate([vectors] * students)
    return cut_again(link(all_), all_, np.repeat(np.arange(students), len(vectors)), students, ClusterOptions())


def test_right_is_every_true_neuron_and_no_other() -> None:
    true = np.concatenate([TRUTH.weights[0], TRUTH.biases[0][:, None]], axis=1)
    assert right(_clusters(true[[2, 0, 1]]), TRUTH) == (True, True)
    assert right(_clusters(true * 1.009), TRUTH) == (True, True)
    assert right(_clusters(true * 1.011), TRUTH) == (True, False)
    assert right(_clusters(true[:2]), TRUTH) == (False, False)
    assert right(_clusters(np.concatenate([true, true[:1] + 1])), TRUTH) == (False, False)
    assert right(_clusters(np.stack([true[0], true[1], true[1] + 1])), TRUTH) == (True, False)
    assert right(None, TRUTH) == (False, False)


def test_the_best_student_of_a_cluster_speaks_for_it() -> None:
    true = np.concatenate([TRUTH.weights[0], TRUTH.biases[0][:, None]], axis=1)
    good, bad = _clusters(true), _clusters(true)
    bad.vectors[:3] *= 1.02
    good.vectors[3:] *= 1.02
    assert right(good, TRUTH) == (True, True) and right(bad, TRUTH) == (True, False)


def test_every_question_is_answered_for_every_value(points: tuple[Point, ...], runs: Path) -> None:
    lines = (runs / "ablations" / "ablations.jsonl").read_text().splitlines()
    assert [Point(**json.loads(line)) for line in lines] == list(points)
    for name, question in QUESTIONS.items():
        here = [p for p in points if p.question == name]
        values = {"samples": (), "students": (2, 3, 4, 6, 8)}.get(name, question.values)
        expected = {(cut, float(value)) for cut in CUTS for value in values}
        assert {(p.cut, p.value) for p in here} == expected
        assert all((p.inputs, p.hidden) == (4, 2) and 0 <= p.recovered <= p.right_size <= p.tries for p in here)
    tries = {(p.question, p.value): p.tries for p in points}
    assert tries["gamma", 0.5] == 2 and tries["students", 4.0] == 10 and tries["students", 8.0] == 2


def test_the_defaults_recover_and_extremes_do_not(points: tuple[Point, ...]) -> None:
    share = {(p.question, p.cut, p.value): p.recovered / p.tries for p in points}
    for name, question in QUESTIONS.items():
        if name != "samples" and question.default:
            assert share[name, "gap", question.default["gap"]] == 1.0
    assert share["contribution", "paper", 0.0] <= share["contribution", "paper", 1e-12]
    assert share["gamma", "paper", 0.1] == 0.0  # every neuron counts as a cluster
    assert share["students", "gap", 8.0] >= share["students", "gap", 2.0]


def test_the_same_students_give_the_same_points(points: tuple[Point, ...], runs: Path, tmp_path: Path) -> None:
    assert run_ablations(runs, tmp_path, train=False) == points


def test_samples_are_varied_and_not_trained_twice(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "_TRAINED", PROBLEMS[:1])
    few = dataclasses.replace(QUESTIONS["samples"], values=(40.0, 120.0))  # 57 parameters: 40 are too few to train on
    monkeypatch.setitem(ablations.QUESTIONS, "samples", few)
    found = [p for p in run_ablations(runs, tmp_path, progress=lambda event: None) if p.question == "samples"]
    assert {(p.cut, p.value): p.tries for p in found} == {(cut, n): 1 for cut in CUTS for n in (40.0, 120.0)}
    assert all(p.recovered == 0 for p in found if p.value == 40.0)
    assert [p.recovered for p in found if (p.cut, p.value) == ("gap", 120.0)] == [1]

    def recover(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(synthetic, "recover", recover)
    again = [p for p in run_ablations(runs, tmp_path) if p.question == "samples"]
    assert again == found


@pytest.mark.parametrize("what", ["nothing", "another rho", "other settings", "no runs"])
def test_without_its_students_it_says_what_to_run(what: str, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    if what != "nothing":
        folder.mkdir()
        text = (runs / "rows.jsonl").read_text()
        (folder / "rows.jsonl").write_text(text.replace('"lm"', '"default"') if what == "other settings" else text)
    with pytest.raises(BadInput, match="a finished run" if what == "no runs" else "--settings lm --rho"):
        run_ablations(folder, tmp_path / "out", 2.0 if what == "another rho" else 4.0, train=False)
    assert not (tmp_path / "out").exists()


def test_the_command(runs: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["benchmark", "ablations", *map(str, arguments)])

    done = run(runs, "--no-train", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert Path(result["points"]).is_file()
    names = {Path(figure).name for figure in result["figures"]}
    assert names == {f"{name}.{ending}" for name in ("beta", "contribution", "cut", "gamma", "loss", "students")
                     for ending in ("png", "pdf", "svg")}
    done = run(tmp_path / "nowhere", "--no-train")
    assert done.exit_code == 2 and "--settings lm" in done.stderr and not (tmp_path / "nowhere").exists()
    assert run().exit_code == 2


POINTS = [Point(question, cut, float(value), 8, r, 10, 9, 3 if cut == "paper" else 8)
          for question in ("contribution", "samples") for cut in CUTS for value in QUESTIONS[question].values
          for r in ((2, 8) if question == "contribution" else (4,))]


def _texts(figure: Any) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_a_figure_asks_its_question_and_says_which_students() -> None:
    figure = ablation_figure([p for p in POINTS if p.question == "contribution"], 4.0).get_figure(root=True)
    written = _texts(figure)
    assert QUESTIONS["contribution"].title in written and "nan" not in written.lower()
    assert "not pruned, whatever their loss" in written and "20 teachers" in written
    assert figure.get_size_inches()[0] == pytest.approx(6.9) and len(figure.axes) == 2
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert ticks[0] == "none" and ticks[3] == "$10^{-12}$"
    for line, share in zip(figure.axes[1].lines[::2], (0.8, 0.3), strict=True):
        np.testing.assert_allclose(line.get_ydata(), share)


def test_one_number_of_neurons_fits_one_column() -> None:
    points = [p for p in POINTS if p.question == "samples"]
    figure = ablation_figure(points, 4.0).get_figure(root=True)
    assert figure.get_size_inches()[0] == pytest.approx(3.3) and "161 parameters, the teacher 41" in _texts(figure)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["125", "250", "500", "1000", "2000"]
    assert ablation([], QUESTIONS["samples"]).texts[0].get_text() == "not run"
    with pytest.raises(BadInput, match="one question"):
        ablation(POINTS, QUESTIONS["samples"])
    matplotlib.pyplot.close("all")


def test_the_cuts_side_by_side() -> None:
    figure = cut_figure(POINTS, 4.0).get_figure(root=True)
    cells = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert cells == [["8/10"] * 2, ["3/10"] * 2] * 2
    assert "Where should the tree be cut" in _texts(figure)


def test_only_questions_that_were_asked_are_drawn(tmp_path: Path) -> None:
    files = draw_ablations([p for p in POINTS if p.question == "samples"], 4.0, tmp_path)
    assert sorted(file.name for file in files) == ["samples.pdf", "samples.png", "samples.svg"]
    assert draw_ablations([], 4.0, tmp_path) == []
