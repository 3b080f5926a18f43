"""The figure of the students' loss curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expandcluster.plot.style import (
    COLORS,
    GREY,
    LEAST_LOSS,
    axes_for,
    finish,
    floor_lines,
    legend_above,
    note,
    whole_numbers,
)
from expandcluster.results import Recovery

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["imitating", "loss_curves"]

_MANY = 150  # students from which on lines are thin, and drawn as pixels


def imitating(recovery: Recovery) -> np.ndarray:
    """Whether every student imitates its samples, once it was pruned ``(students,)``."""
    after = recovery.pruned_losses if len(recovery.pruned_losses) == len(recovery.losses) else recovery.losses
    return after <= max(recovery.floor, recovery.noise_floor)


def loss_curves(recovery: Recovery, ax: Axes | None = None) -> Axes:
    """Relative loss of every student against its training steps, with the noise floor.

    Solid lines that end in a dot are students that imitate the teacher, dashed ones that end in a cross do not.
    A dotted drop at the end is what pruning made of a student. Of several trainers, steps count on; a smooth path
    before the training of kinked activations is not drawn.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    ax = axes_for(ax)
    curves = [curve[np.isfinite(curve[:, 0])] for curve in recovery.curves]
    if len(curves) != len(recovery.losses) or not any(map(len, curves)):
        return note(ax, "no student was trained" if not len(recovery.losses) else
                    "no student has a finite loss" if len(curves) else "no loss curves were kept")
    good = imitating(recovery)
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    kinds: tuple[tuple[np.ndarray, Any, str, str, str], ...] = (
        (good, "-", COLORS["kept"], "o", "imitate the teacher"), (~good, (0, (3, 1.5)), GREY, "x", "do not"))
    for kind, line, color, marker, label in kinds:
        students = [s for s in range(len(curves)) if kind[s] and len(curves[s])]
        if not students:
            continue
        _draw(ax, recovery, students, curves, line, color, marker)
        handles.append(Line2D([], [], color=color, linestyle=line, linewidth=0.9, marker=marker, markersize=3.5,
                              label=f"{label} ({len(students):,})"))
    handles += floor_lines(ax, recovery.floor, recovery.noise_floor)
    floors = [loss for loss in (recovery.floor, recovery.noise_floor) if loss > 0]
    ends = np.concatenate([recovery.losses, recovery.pruned_losses])
    values = np.concatenate([*(curve[:, 1] for curve in curves), ends[np.isfinite(ends)], floors])
    ax.set_yscale("log")
    ax.set_ylim(max(float(values.min()), LEAST_LOSS) / 10, max(float(values.max()), LEAST_LOSS) * 10)
    longest = max(float(curve[-1, 0]) for curve in curves if len(curve))
    ax.set_xlim(-0.02 * longest - 0.5, 1.03 * longest + 0.5)
    whole_numbers(ax.xaxis)
    lost = sum(not len(curve) for curve in curves)
    ax.set_xlabel("training steps" + (f" ({lost} without a finite loss)" if lost else ""))
    ax.set_ylabel("relative loss")
    legend_above(ax, handles, columns=2)
    return finish(ax)


def _draw(ax: Axes, recovery: Recovery, students: list[int], curves: list[np.ndarray], line: Any, color: str,
          marker: str) -> None:
    """Curves of one kind, and where they end."""
    from matplotlib.collections import LineCollection

    many = len(curves) >= _MANY
    width, size = (0.4, 2.0) if many else (0.9, 3.5)
    shown = [np.maximum(curves[s], (0.0, LEAST_LOSS)) for s in students]
    ax.add_collection(LineCollection(shown, colors=color, linewidths=width, linestyles=[line], rasterized=many,
                                     alpha=max(0.15, 0.5 * _MANY / len(curves)) if many else 0.8))
    ends = np.array([curve[-1] for curve in shown]).reshape(-1, 2)
    if len(recovery.pruned_losses) == len(curves):
        pruned = np.column_stack([ends[:, 0], np.maximum(recovery.pruned_losses[students], LEAST_LOSS)])
        fell = np.abs(np.log10(ends[:, 1] / pruned[:, 1])) > 0.3
        ax.add_collection(LineCollection(list(np.stack([ends, pruned], axis=1)[fell]), colors=color, linewidths=width,
                                         linestyles=[(0, (1, 1.2))], rasterized=many))
        ends = pruned
    ax.plot(ends[:, 0], ends[:, 1], marker, color=color, markersize=size, markeredgewidth=0.8, rasterized=many,
            zorder=3)
