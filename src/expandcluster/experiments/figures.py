"""The figures of the synthetic experiment, drawn from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expandcluster.experiments.rows import Row, read_rows
from expandcluster.plot.experiment_figures import identifiability, loss_distributions, rho_name
from expandcluster.plot.style import GREY, INK, ONE_COLUMN, TWO_COLUMNS, matplotlib, save
from expandcluster.problems.synthetic import HIDDEN, INPUTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

__all__ = ["draw_synthetic", "identifiability_figure", "loss_figure", "save_everywhere"]

_FORMATS = ("png", "pdf", "svg")
_HEADS: dict[Literal["students", "teachers"], str] = {
    "students": "Students at the floor by training alone", "teachers": "Teachers recovered to 1e-8"}


def draw_synthetic(out: Path) -> list[Path]:
    """Draw the figures of an experiment into ``out/figures``, each as PNG, PDF and SVG.

    Args:
        out: folder of the experiment, with its ``rows.jsonl``.

    Returns:
        The files; none where there is no row yet.

    Raises:
        BadInput: a line of ``rows.jsonl`` is no row.
        MissingExtra: Matplotlib is not installed.
    """
    matplotlib()
    rows = read_rows(out / "rows.jsonl")
    files = []
    for settings in sorted({row.settings for row in rows}):
        here = [row for row in rows if row.settings == settings]
        files += save_everywhere(identifiability_figure(here), out / "figures" / f"identifiability-{settings}")
        files += save_everywhere(loss_figure(here), out / "figures" / f"losses-{settings}")
    return files


def save_everywhere(ax: Axes, path: Path) -> list[Path]:
    """The figure of ``ax`` as PNG, PDF and SVG; ``path`` has no ending."""
    return [save(ax, path.with_name(f"{path.name}.{ending}")) for ending in _FORMATS]


def identifiability_figure(rows: Sequence[Row]) -> Axes:
    """Ease of identification: students at the floor and teachers recovered over d and r, one panel for each rho.

    Args:
        rows: of one settings.

    Returns:
        The first of its Axes.
    """
    rhos = sorted({row.rho for row in rows}, key=lambda rho: rho or 0.0)
    wide = len(rhos) > 1
    across = len(rhos) if wide else 2
    width = TWO_COLUMNS if across > 2 else ONE_COLUMN
    high = max(1.3, 0.24 * len(INPUTS) + 0.1)
    height = 2 * (high + 0.55) if wide else high + 0.7
    figure = matplotlib().figure.Figure(figsize=(width, height), layout="constrained")
    parts = figure.subfigures(2, 1) if wide else figure.subfigures(1, 2)
    axes: list[Axes] = []
    for part, (of, head) in zip(parts, _HEADS.items(), strict=True):
        _head(part, head if wide else f"{head.split(' by ')[0].split(' to ')[0]},\n{rho_name(rhos[0])}")
        for ax, rho in zip(part.subplots(1, len(rhos), squeeze=False)[0], rhos, strict=True):
            identifiability([row for row in rows if row.rho == rho], ax, of=of, inputs=INPUTS, hidden=HIDDEN)
            if wide:
                ax.set_title(rho_name(rho), fontsize=8, color=INK)
            if axes and ax.get_subplotspec().colspan.start > 0:
                ax.set_ylabel("")
            axes.append(ax)
    solved = {(row.rho, row.inputs, row.hidden) for row in rows}
    if len(solved) < len(rhos) * len(INPUTS) * len(HIDDEN):
        figure.supxlabel("hatched: not run", fontsize=7, color=GREY)
    return axes[0]


def loss_figure(rows: Sequence[Row]) -> Axes:
    """Distribution of the students' losses over rho, one panel for each d and r.

    Args:
        rows: of one settings.

    Returns:
        The first of its Axes.
    """
    rhos = sorted({row.rho for row in rows}, key=lambda rho: rho or 0.0)
    inputs, hidden = sorted({row.inputs for row in rows}), sorted({row.hidden for row in rows})
    width = TWO_COLUMNS if len(hidden) > 1 else ONE_COLUMN
    figure = matplotlib().figure.Figure(figsize=(width, 1.35 * len(inputs) + 0.5), layout="constrained")
    axes = figure.subplots(len(inputs), len(hidden), squeeze=False, sharex=True, sharey=True)
    for i, d in enumerate(inputs):
        for j, r in enumerate(hidden):
            ax: Axes = axes[i, j]
            loss_distributions([row for row in rows if (row.inputs, row.hidden) == (d, r)], ax, rhos=rhos)
            ax.set_title(f"$d$ = {d}, $r$ = {r}", fontsize=8, color=INK, pad=11)
            if i + 1 < len(inputs):
                ax.set_xlabel("")
            if j > 0:
                ax.set_ylabel("")
    figure.supxlabel("line: median; dashed: floor; above: share of the students at it"
                     + ("\nsearch: the width was searched for" if None in rhos else ""), fontsize=7, color=GREY)
    return axes[0, 0]


def _head(figure: FigureBase, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=8, color=INK)
