"""Figures of an experiment: how easily teachers are identified, their students' losses, what ablations say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.experiments.rows import FLOOR, Row
from expandcluster.plot.certainty_figures import parameter_certainty
from expandcluster.plot.style import COLORS, GREY, INK, axes_for, finish, legend_above, note
from expandcluster.results import Recovery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from expandcluster.experiments.ablations import Point, Question

__all__ = ["CUT_NAMES", "SEQUENTIAL", "ablation", "draw_cells", "identifiability", "loss_distributions", "rho_name"]

CUT_NAMES = {"gap": "gap cut", "paper": "paper's cut"}
SEQUENTIAL = "Blues"  # one hue, light to dark: told apart with every colour blindness and in grey print
_LEAST, _MOST = 1e-33, 10.0  # losses are drawn between these
_DARK = 0.55  # numbers on darker cells than this share of the map are white
# Line of each cut, told apart also without colour; a little aside, so that equal ones are seen.
_CUT_LINES = {"gap": ("o-", COLORS["kept"], -0.06), "paper": ("s--", COLORS["unaligned"], 0.06)}


def identifiability(rows: Recovery | Sequence[Row], ax: Axes | None = None, *,
                    of: Literal["students", "teachers"] = "teachers", inputs: Sequence[int] = (),
                    hidden: Sequence[int] = ()) -> Axes:
    """How well the parameters of one recovery are identified, or how easily the teachers of an experiment are.

    Of a recovery: the error bar of every parameter, sorted, and how many are undetermined, for each layer. Of an
    experiment: a heat map over the d inputs and r hidden neurons of its teachers.

    Args:
        rows: a recovery; or the rows of one experiment, one settings and one rho.
        ax: where to draw; a new figure one column wide by default.
        of: ``"teachers"`` writes how many of them were recovered into every cell, ``"students"`` the
            share of students that training alone brought to the floor.
        inputs: values of d to show besides those in ``rows``; cells without a row are hatched.
        hidden: values of r likewise; these three are for experiments only.

    Raises:
        BadInput: there are no rows, they are of several ways of solving, or ``of`` is something else; or the
            recovery found no network.
        MissingExtra: Matplotlib is not installed.
    """
    if isinstance(rows, Recovery):
        return parameter_certainty(rows, ax)
    _check_one_way(rows)
    if of not in ("students", "teachers"):
        raise BadInput("of", got=repr(of), expected="'students' or 'teachers'", remedy="Choose one of them.")
    d = sorted({*inputs, *(row.inputs for row in rows)})
    r = sorted({*hidden, *(row.hidden for row in rows)})
    share, words = np.full((len(d), len(r)), np.nan), np.full((len(d), len(r)), "", object)
    for i, j in np.ndindex(share.shape):
        here = [row for row in rows if (row.inputs, row.hidden) == (d[i], r[j])]
        done, total = ((sum(row.recovered for row in here), len(here)) if of == "teachers" else
                       (sum(row.reached for row in here), sum(row.students for row in here)))
        if total:
            share[i, j] = done / total
            words[i, j] = f"{done}/{total}" if of == "teachers" else _percent(done / total)
    return draw_cells(axes_for(ax), share, words, d, r)


def draw_cells(ax: Axes, share: np.ndarray, words: np.ndarray, inputs: Sequence[int], hidden: Sequence[int]) -> Axes:
    """A heat map of shares with words in its cells; rows are d, columns r, and NaN is hatched.

    Args:
        ax: where to draw.
        share: from 0 to 1 or NaN, ``(inputs, hidden)``.
        words: what to write into the cells, of the same shape.
        inputs: d of every row.
        hidden: r of every column.
    """
    from matplotlib.patches import Rectangle

    ax.imshow(np.ma.masked_invalid(share), cmap=SEQUENTIAL, vmin=0.0, vmax=1.0, aspect="auto", origin="lower")
    for i, j in np.ndindex(share.shape):
        if np.isnan(share[i, j]):
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor="white", edgecolor=GREY, hatch="////",
                                   linewidth=0))
        else:
            ax.text(j, i, str(words[i, j]), ha="center", va="center", fontsize=7,
                    color="white" if share[i, j] > _DARK else INK)
    for edge in range(1, len(inputs)):
        ax.axhline(edge - 0.5, color="white", linewidth=1.0)
    for edge in range(1, len(hidden)):
        ax.axvline(edge - 0.5, color="white", linewidth=1.0)
    ax.set_xticks(range(len(hidden)), [str(value) for value in hidden])
    ax.set_yticks(range(len(inputs)), [str(value) for value in inputs])
    ax.set_xlabel("hidden neurons $r$")
    ax.set_ylabel("inputs $d$")
    return finish(ax, frame=True)


def loss_distributions(rows: Sequence[Row], ax: Axes | None = None, *, rhos: Sequence[float | None] = ()) -> Axes:
    """Relative losses that students end at by training alone, for every rho, with the floor.

    Every student is a point; behind them the density of the logarithms, and above them the share at
    the floor. Students without a finite loss are counted below their rho.

    Args:
        rows: of one experiment and one settings, usually of one d and r.
        ax: where to draw; a new figure one column wide by default.
        rhos: values of rho to leave room for besides those in ``rows``; without a row it says so.

    Raises:
        BadInput: the rows are of several settings.
        MissingExtra: Matplotlib is not installed.
    """
    if len({row.settings for row in rows}) > 1:
        raise BadInput("rows", got=f"rows of {len({row.settings for row in rows})} settings",
                       expected="rows of one settings", remedy="Draw each alone.")
    ax = axes_for(ax)
    order = sorted({*rhos, *(row.rho for row in rows)}, key=lambda rho: rho or 0.0)
    if not order:
        return note(ax, "not run")
    if not rows:
        ax.text(0.5, 0.5, "not run", ha="center", va="center", transform=ax.transAxes, fontsize=7, color=GREY)
    labels = []
    for place, rho in enumerate(order):
        losses = [loss for row in rows if row.rho == rho for loss in row.losses]
        finite = np.array([loss for loss in losses if loss is not None])
        _draw_losses(ax, place, finite)
        if losses:
            ax.text(place, _MOST, _percent(float(np.sum(finite <= FLOOR)) / len(losses)), ha="center", va="bottom",
                    fontsize=7, color=INK)
        lost = len(losses) - len(finite)
        labels.append(rho_name(rho, short=True) + (f"\n{lost} lost" if lost else ""))
    ax.axhline(FLOOR, color=INK, linestyle=(0, (4, 2)), linewidth=0.9)
    ax.set_yscale("log")
    ax.set_ylim(_LEAST, _MOST)
    ax.set_yticks([1e-30, 1e-20, 1e-10, 1.0])
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_xticks(range(len(order)), labels)
    ax.set_xlabel("overparameterisation $\\rho$")
    ax.set_ylabel("relative loss")
    return finish(ax)


def _draw_losses(ax: Axes, place: int, losses: np.ndarray) -> None:
    """Points of all students, spread sideways where they are dense, and the median."""
    if not len(losses):
        return
    logs = np.log10(np.clip(losses, _LEAST, _MOST))
    grid = np.linspace(np.log10(_LEAST), np.log10(_MOST), 120)
    density = np.exp(-0.5 * ((grid[:, None] - logs[None, :]) / 0.7) ** 2).sum(axis=1)
    density *= 0.4 / density.max()
    ax.fill_betweenx(10.0**grid, place - density, place + density, where=density > 0.005, color=COLORS["too small"],
                     alpha=0.2, linewidth=0)
    side = np.random.default_rng(0).uniform(-0.85, 0.85, len(logs))  # the same every time
    ax.plot(place + side * np.interp(logs, grid, density), 10.0**logs, "o", markersize=1.4 if len(logs) > 50 else 2.2,
            markeredgewidth=0, alpha=0.7, color=COLORS["too small"], rasterized=len(logs) > 50)
    middle = 10.0 ** np.median(logs)
    ax.plot([place - 0.3, place + 0.3], [middle, middle], color=COLORS["unaligned"], linewidth=1.2,
            solid_capstyle="butt")


def ablation(points: Sequence[Point], question: Question, ax: Axes | None = None) -> Axes:
    """Share of the tries that recovered their teacher, over the values that an ablation tried, for each cut.

    Values are evenly spaced; the large marker of a line is the value used by default.

    Args:
        points: of one question.
        question: what was asked.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        BadInput: the points are of several questions.
        MissingExtra: Matplotlib is not installed.
    """
    if len({point.question for point in points}) > 1:
        raise BadInput("points", got=f"points of {len({point.question for point in points})} questions",
                       expected="points of one question", remedy="Draw each alone.")
    ax = axes_for(ax)
    values = sorted({point.value for point in points})
    if not values:
        return note(ax, "not run")
    for cut, (style, color, aside) in _CUT_LINES.items():
        here = [[p for p in points if (p.cut, p.value) == (cut, value)] for value in values]
        x = np.array([place for place, found in enumerate(here) if found])
        y = [sum(p.recovered for p in found) / sum(p.tries for p in found) for found in here if found]
        ax.plot(x + aside, y, style, color=color, markersize=3.0, linewidth=1.0, label=CUT_NAMES[cut])
        usual = [place for place in range(len(x)) if values[x[place]] == question.default.get(cut)]
        ax.plot(x[usual] + aside, np.array(y)[usual], style[0], color=color, markersize=6.0)
    ax.set_xticks(range(len(values)), [_value_name(value) for value in values])
    ax.set_xlim(-0.4, len(values) - 0.6)
    ax.set_ylim(-0.05, 1.05)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
    ax.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.5)
    ax.set_xlabel(question.axis)
    ax.set_ylabel("teachers recovered")
    legend_above(ax)
    return finish(ax)


def _value_name(value: float) -> str:
    """A value on an axis: short, powers of ten as such, 0 as none."""
    if value == 0:
        return "none"
    power = round(np.log10(value))
    if value < 1e-2 or value >= 1e5:
        return f"$10^{{{power}}}$" if np.isclose(value, 10.0**power, rtol=1e-9, atol=0) else f"{value:.0e}"
    return f"{value:g}"


def rho_name(rho: float | None, *, short: bool = False) -> str:
    """How a rho is written in a figure; ``None`` is a width that was searched for."""
    if rho is None:
        return "search" if short else "width searched for"
    return f"{rho:g}" if short else f"$\\rho$ = {rho:g}"


def _percent(share: float) -> str:
    """Whole percent; 0% and 100% mean none and all."""
    return f"{min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)}%"


def _check_one_way(rows: Sequence[Row]) -> None:
    ways = {(row.settings, row.rho) for row in rows}
    if len(ways) != 1:
        raise BadInput("rows", got=f"rows of {len(ways)} settings and values of rho",
                       expected="rows of one settings and one rho", remedy="Draw each alone.")
