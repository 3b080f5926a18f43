"""What all figures share: widths, colours, type sizes, and saving."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expandcluster.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["COLORS", "GREY", "INK", "KINDS", "LEAST_LOSS", "ONE_COLUMN", "TWO_COLUMNS", "axes_for", "figure",
           "figure_of", "finish", "floor_lines", "legend_above", "matplotlib", "note", "save", "whole_numbers"]

ONE_COLUMN = 3.3  # inches
TWO_COLUMNS = 6.9  # inches
KINDS = ("kept", "too small", "unaligned")
# Okabe and Ito, Color Universal Design (2008): told apart with every common colour blindness.
COLORS = {"kept": "#009e73", "too small": "#0072b2", "unaligned": "#d55e00"}
INK, GREY = "#1a1a1a", "#636363"
LEAST_LOSS = 1e-40  # losses of zero are drawn here
_FORMATS = (".pdf", ".png", ".svg")


def matplotlib() -> Any:
    """Matplotlib, imported now.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import matplotlib as module
        import matplotlib.figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    return module


def figure(columns: int = 1, ratio: float = 0.75) -> tuple[Figure, Axes]:
    """A new figure as wide as one or two columns of a paper, with one Axes.

    Args:
        columns: 1 for 3.3 inches, 2 for 6.9 inches.
        ratio: height over width.

    Raises:
        BadInput: ``columns`` or ``ratio`` cannot be used.
        MissingExtra: Matplotlib is not installed.
    """
    if columns not in (1, 2) or not 0 < ratio < 10:
        raise BadInput("figure", got=f"{columns} columns and a ratio of {ratio}",
                       expected="1 or 2 columns and a ratio between 0 and 10", remedy="Change the arguments.")
    matplotlib()
    from matplotlib import pyplot

    width = ONE_COLUMN if columns == 1 else TWO_COLUMNS
    return pyplot.subplots(figsize=(width, ratio * width), layout="constrained")


def axes_for(ax: Axes | None) -> Axes:
    """``ax``, or the Axes of a new figure one column wide."""
    matplotlib()
    return figure()[1] if ax is None else ax


def finish(ax: Axes, *, frame: bool = False) -> Axes:
    """Small type, thin lines, and no frame unless it is wanted; set here and not in global settings."""
    for side, spine in ax.spines.items():
        spine.set_visible(frame or side in ("left", "bottom"))
        spine.set_linewidth(0.6)
        spine.set_color(INK)
    ax.tick_params(which="both", labelsize=7, width=0.6, length=2.5, color=INK, labelcolor=INK)
    ax.tick_params(which="minor", length=0)
    for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
        text.set_fontsize(8)
        text.set_color(INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_fontsize(7)
    return ax


def floor_lines(ax: Axes, good_enough: float, noise_floor: float) -> list[Artist]:
    """Lines at the loss that counts as imitating and at the noise floor, as far as they are known; for a legend."""
    lines = ((good_enough, (1, 2), "good enough"), (noise_floor, (4, 2), "noise floor"))
    return [ax.axhline(max(loss, LEAST_LOSS), color=INK, linestyle=(0, dashes), linewidth=0.9, label=label)
            for loss, dashes, label in lines if loss > 0]


def legend_above(ax: Axes, handles: Sequence[Artist] | None = None, columns: int = 3) -> None:
    """A legend in rows above the Axes, out of the way of what is drawn."""
    ax.legend(handles=handles or ax.get_legend_handles_labels()[0], loc="lower left", bbox_to_anchor=(0.0, 1.0),
              ncols=columns, frameon=False, fontsize=7, labelcolor=INK, handlelength=1.4, handletextpad=0.5,
              borderaxespad=0.1, columnspacing=1.0)


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def figure_of(ax: Axes) -> Figure:
    """The figure that ``ax`` is on, also through subfigures."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise BadInput("ax", got="an Axes without a figure", expected="one on a figure", remedy="Make a new one.")
    return figure


def note(ax: Axes, text: str) -> Axes:
    """An Axes that says why there is nothing to draw."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, fontsize=8, color=INK)
    ax.set_xticks([])
    ax.set_yticks([])
    return finish(ax)


def save(ax: Axes, path: str | os.PathLike[str], dpi: int = 300) -> Path:
    """Write the figure of ``ax`` as PNG, SVG or PDF, with type that stays type.

    Args:
        ax: what a function of this package returned.
        path: ending in ``.png``, ``.svg`` or ``.pdf``; its folder is made.
        dpi: resolution of what is made of pixels.

    Raises:
        BadInput: the ending is another one.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise BadInput(f"figure {path}", got=f"the ending '{path.suffix}'", expected=", ".join(_FORMATS),
                       remedy="Choose one of these.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib().rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "expandcluster"}):
        # Without the date (and who drew an SVG, which is Matplotlib) the same recovery gives the same file.
        left_out = {".svg": {"Date": None, "Creator": None}, ".pdf": {"CreationDate": None}}
        figure_of(ax).savefig(path, dpi=dpi, metadata=left_out.get(path.suffix.lower()))
    if path.suffix.lower() == ".svg":
        path.write_text(_short(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def _short(svg: str) -> str:
    """Coordinates of paths and places to a hundredth of a point: no eye or printer sees the rest."""
    def rounded(attribute: re.Match[str]) -> str:
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), attribute[0])

    return re.sub(r'(?<=\s)(?:d|x|y)="[^"]*"', rounded, svg)
