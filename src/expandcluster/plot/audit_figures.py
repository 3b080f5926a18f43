"""The figure of an audit: errors against the query budget, and what each defence buys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.plot.style import COLORS, GREY, INK, TWO_COLUMNS, axes_for, finish, matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from expandcluster.audit.rows import AuditRow
    from expandcluster.audit.run import Audit

__all__ = ["audit_figure", "budget_curve", "defence_chart"]

_LEAST, _MOST = 1e-17, 1e1  # errors are drawn between these
_NONE = 1e3  # where recoveries without an error are drawn
_KINDS = (("parameter_error", "parameters", "o", COLORS["too small"], -1),
          ("functional_error", "function", "s", COLORS["unaligned"], 1))
# Of marks of either kind: shape, inside, meaning.
_MEANINGS = (("o", GREY, "filled: all called exact"), ("o", "white", "hollow: not all called exact"),
             ("x", GREY, "cross: some seed has no network to compare"))


def audit_figure(audit: Audit) -> Axes:
    """Both panels, two columns wide.

    Returns:
        The Axes of the budget curve.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    matplotlib()
    from matplotlib import pyplot

    lines = 1 + len(audit.defences)
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(TWO_COLUMNS, max(2.6, 0.9 + 0.27 * lines)), layout="constrained", width_ratios=(1.0, 1.0))
    budget_curve(audit, left)
    defence_chart(audit, right)
    for ax, title in ((left, "no defence"), (right, "behind a defence, any number of queries")):
        ax.set_title(title, fontsize=8, color=INK)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=7, labelcolor=INK,
                  handletextpad=0.4, columnspacing=1.2)
    return left


def budget_curve(audit: Audit, ax: Axes | None = None) -> Axes:
    """Errors against the query budget, without a defence: median over seeds, bars from least to largest.

    Filled marks: every network was called exact; hollow ones: not all were. Recoveries without an error (no network, or
    for parameters one of the wrong sizes) are crosses at the top, where some seed ended so.

    Args:
        audit: of :func:`expandcluster.audit.run_audit`.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    from expandcluster.audit.defences import Defence

    ax = axes_for(ax)
    from matplotlib.ticker import LogLocator, NullLocator

    groups = [audit.of(Defence(), budget) for budget in audit.budgets]
    x = [_asked(rows, budget) for rows, budget in zip(groups, audit.budgets, strict=True)]
    for field, name, marker, color, side in _KINDS:
        label = name if field != "parameter_error" or audit.known else "parameters, against another recovery"
        places = [value * 1.03**side for value in x]  # a little aside, so that equal ones are seen
        _draw(ax, places, [[getattr(row, field) for row in rows] for rows in groups],
              [all(row.exact for row in rows) for rows in groups], marker, color, label, across=False)
    for marker, inside, label in _MEANINGS:
        ax.plot([], [], marker=marker, color=GREY, markerfacecolor=inside, linestyle="none", markersize=4, label=label)
    if audit.least is not None:
        ax.axvline(audit.least, color=GREY, linewidth=0.8, linestyle=":", label="fewest possible: parameters / outputs")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_xlabel("queries allowed (last: any number)")
    ax.set_ylabel("relative error")
    _scale(ax, across=False)
    return finish(ax)


def defence_chart(audit: Audit, ax: Axes | None = None) -> Axes:
    """Errors behind each defence, any number of queries allowed; marks as in :func:`budget_curve`.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    from expandcluster.audit.defences import Defence

    ax = axes_for(ax)
    defences = (Defence(), *audit.defences)
    groups = [audit.of(defence, defence.limit) for defence in defences]
    y = np.arange(len(groups), dtype=float)
    for field, name, marker, color, side in _KINDS:
        _draw(ax, (y + 0.13 * side).tolist(), [[getattr(row, field) for row in rows] for rows in groups],
              [bool(rows) and all(row.exact for row in rows) for rows in groups], marker, color, name, across=True)
    ax.set_yticks(y, [defence.words for defence in defences])
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.set_xlabel("relative error")
    _scale(ax, across=True)
    return finish(ax)


def _asked(rows: Sequence[AuditRow], budget: int | None) -> float:
    """Where a budget is drawn; one without a limit at what was asked."""
    return float(np.median([row.queries for row in rows])) if budget is None else float(budget)


def _draw(ax: Axes, places: Sequence[float], values: Sequence[Sequence[float | None]], exact: Sequence[bool],
          marker: str, color: str, label: str, *, across: bool) -> None:
    """Medians with bars, filled where all were called exact; a cross for what has no value."""
    for place, found, sure in zip(places, values, exact, strict=True):
        there = np.clip([value for value in found if value is not None], _LEAST, _MOST)
        if len(there):
            middle = float(np.median(there))
            bar = [[middle - there.min()], [there.max() - middle]]
            at = (middle, place) if across else (place, middle)
            ax.errorbar(*at, xerr=bar if across else None, yerr=None if across else bar, fmt=marker, color=color,
                        markersize=4,
                        markerfacecolor=color if sure else "white", markeredgewidth=1.0, elinewidth=0.9, capsize=2,
                        zorder=3)
        if len(there) < len(found):
            ax.plot(*((_NONE, place) if across else (place, _NONE)), marker="x", color=color, markersize=4,
                    markeredgewidth=1.0, clip_on=False, zorder=3)
    ax.plot([], [], marker=marker, color=color, linestyle="none", markersize=4, label=label)


def _scale(ax: Axes, *, across: bool) -> None:
    """A logarithmic axis of errors, at whose end is what has none."""
    from matplotlib.ticker import NullLocator

    powers = [-16, -12, -8, -4, 0]
    ticks, names = [10.0**p for p in powers] + [_NONE], [f"$10^{{{p}}}$" for p in powers] + ["none"]
    if across:
        ax.set_xscale("log")
        ax.set_xlim(_LEAST / 3, _NONE * 3)
        ax.set_xticks(ticks, names)
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.set_yscale("log")
        ax.set_ylim(_LEAST / 3, _NONE * 3)
        ax.set_yticks(ticks, names)
        ax.yaxis.set_minor_locator(NullLocator())
