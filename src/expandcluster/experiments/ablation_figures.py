"""One figure for each question that the ablations ask."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.experiments.ablations import CUTS, QUESTIONS, Point
from expandcluster.experiments.figures import save_everywhere
from expandcluster.experiments.synthetic import width_of
from expandcluster.plot.experiment_figures import CUT_NAMES, ablation, draw_cells
from expandcluster.plot.style import GREY, INK, ONE_COLUMN, TWO_COLUMNS, matplotlib
from expandcluster.problems.synthetic import HIDDEN, INPUTS, SyntheticProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ablation_figure", "cut_figure", "draw_ablations"]

_RHO, _GAMMA = "\N{GREEK SMALL LETTER RHO}\xa0=\xa0", "\N{GREEK SMALL LETTER GAMMA}\xa0=\xa0"
_GAMMAS = "; " + ", ".join(f"{name} with {_GAMMA}{CUTS[cut].gamma:g}" for cut, name in CUT_NAMES.items())


def draw_ablations(points: Sequence[Point], rho: float, out: Path) -> list[Path]:
    """A figure for each question that was asked, and one that compares the cuts, each as PNG, PDF and SVG.

    Args:
        points: of :func:`run_ablations`.
        rho: of their students.
        out: folder of the files.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    matplotlib()
    files = []
    for name in QUESTIONS:
        here = [point for point in points if point.question == name]
        if here:
            files += save_everywhere(ablation_figure(here, rho), out / name)
    if any(point.question == "contribution" for point in points):
        files += save_everywhere(cut_figure(points, rho), out / "cut")
    return files


def ablation_figure(points: Sequence[Point], rho: float) -> Axes:
    """The answer to one question, one panel for each number of hidden neurons.

    Args:
        points: of one question.
        rho: of their students.

    Returns:
        The first of its Axes.
    """
    name = points[0].question
    question = QUESTIONS[name]
    hidden = sorted({point.hidden for point in points})
    width = TWO_COLUMNS if len(hidden) > 1 else ONE_COLUMN
    figure = matplotlib().figure.Figure(figsize=(width, 2.4 if len(hidden) > 1 else 2.8), layout="constrained")
    axes = figure.subplots(1, len(hidden), squeeze=False, sharey=True)[0]
    for place, (ax, r) in enumerate(zip(axes, hidden, strict=True)):
        ablation([point for point in points if point.hidden == r], question, ax)
        ax.text(0.98, 1.03, f"$r$ = {r}", ha="right", va="bottom", transform=ax.transAxes, fontsize=8, color=INK)
        if place > 0:
            ax.set_ylabel("")
            ax.get_legend().remove()
    figure.suptitle(question.title, x=0.01, ha="left", fontsize=9, color=INK)
    _say_which(figure, points, rho, loss="" if name == "loss" else ", whatever their loss",
               more="" if name == "gamma" else _GAMMAS, end=_remarks(name, points[0], rho))
    return axes[0]


def cut_figure(points: Sequence[Point], rho: float) -> Axes:
    """Both cuts, of all neurons and of those that contribute: teachers recovered over d and r.

    Returns:
        The first of its Axes.
    """
    points = [point for point in points if point.question == "contribution"]
    figure = matplotlib().figure.Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True)
    ways = [(cut, threshold) for threshold in (0.0, QUESTIONS["contribution"].default["gap"]) for cut in CUTS]
    for place, (ax, (cut, threshold)) in enumerate(zip(axes, ways, strict=True)):
        share, words = np.full((len(INPUTS), len(HIDDEN)), np.nan), np.full((len(INPUTS), len(HIDDEN)), "", object)
        for i, j in np.ndindex(share.shape):
            for p in points:
                if (p.cut, p.value, p.inputs, p.hidden) == (cut, threshold, INPUTS[i], HIDDEN[j]):
                    share[i, j], words[i, j] = p.recovered / p.tries, f"{p.recovered}/{p.tries}"
        draw_cells(ax, share, words, INPUTS, HIDDEN)
        which = "of all neurons" if threshold == 0 else "of those that contribute"
        ax.set_title(f"{CUT_NAMES[cut]},\n{which}", fontsize=8, color=INK)
        if place > 0:
            ax.set_ylabel("")
    figure.suptitle("Where should the tree be cut, and of which neurons?", x=0.01, ha="left", fontsize=9, color=INK)
    _say_which(figure, points, rho, loss=", whatever their loss", more=_GAMMAS, end="")
    return axes[0]


def _remarks(name: str, point: Point, rho: float) -> str:
    """What else is said below the figure of a question."""
    text = " Large marker: default." if QUESTIONS[name].default else ""
    if name == "students":
        text = " Students are drawn from those there are." + text
    if name == "samples":
        problem = SyntheticProblem(point.inputs, point.hidden, 0)
        counts = [parameter_count((point.inputs, width, 1)) for width in (width_of(problem, rho), point.hidden)]
        text = f" A student has {counts[0]} parameters, the teacher {counts[1]}." + text
    return text


def _say_which(figure: Figure, points: Sequence[Point], rho: float, *, loss: str, more: str, end: str) -> None:
    """Which students the figure is about, below it."""
    tries: dict[tuple[int, int], int] = {}
    for point in points:  # fewest: where students are drawn, that of all of them, one draw for each teacher
        size = point.inputs, point.hidden
        tries[size] = min(tries.get(size, point.tries), point.tries)
    text = (f"Students of Levenberg-Marquardt, not pruned{loss}, {_RHO}{rho:g}; {sum(tries.values())} teachers"
            f"{more}. Recovered: as many clusters as true neurons, each of these within 1% of one.{end}")
    wide = figure.get_size_inches()[0] >= TWO_COLUMNS
    figure.supxlabel(textwrap.fill(text, 140 if wide else 68), x=0.01, ha="left", fontsize=6.5, color=GREY)
