"""Loss curves of students, thinned while they grow: evenly spaced steps, and the end.

A curve is kept at every step until it is full; then every second point goes, and every second step is left
out from there on. So it needs no more memory for many steps than for few, and none of its length in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.networks import Array

__all__ = ["KEPT", "MOST", "Curve", "curve_points", "following", "padded"]

KEPT = 64  # points of one training: between half and all of them where it has more steps
MOST = 100  # points of a student that went through several trainers


class Curve(NamedTuple):
    """Losses of one student, kept inside a compiled loop.

    Attributes:
        losses: at steps 0, stride, 2 stride, ...; NaN where it is not there yet, ``(KEPT,)``.
        stride: steps from one point to the next.
    """

    losses: Array
    stride: Array

    @classmethod
    def start(cls, loss: jax.Array) -> Curve:
        """With the loss before the first step."""
        return cls(jnp.full(KEPT, jnp.nan).at[0].set(loss), jnp.asarray(1))

    @classmethod
    def of(cls, losses: Sequence[float]) -> Curve:
        """The same of losses at all steps, on the host."""
        stride = 1
        while len(losses) > KEPT * stride:
            stride *= 2
        kept = np.full(KEPT, np.nan)
        kept[: len(losses[::stride])] = losses[::stride]
        return cls(kept, np.asarray(stride))

    def after(self, step: jax.Array, loss: jax.Array) -> Curve:
        """With the loss after ``step`` steps, one more than last time."""
        def thinned() -> Curve:
            return Curve(jnp.concatenate([self.losses[::2], jnp.full(KEPT // 2, jnp.nan)]), 2 * self.stride)

        losses, stride = jax.lax.cond(step >= KEPT * self.stride, thinned, lambda: self)
        place = jnp.where(step % stride == 0, step // stride, KEPT)  # past the end, where it is left out
        return Curve(losses.at[place].set(loss, mode="drop"), stride)


def curve_points(curve: Curve, steps: np.ndarray, losses: np.ndarray, *, unit: float = 1.0, each: int = 1
                 ) -> np.ndarray:
    """The curves of students with their ends.

    Args:
        curve: of all students, on the host: ``losses`` is ``(students, KEPT)``, ``stride`` is ``(students,)``.
        steps: taken by each until its end ``(students,)``.
        losses: of each at its end, in the unit of ``curve``.
        unit: relative loss of a loss of 1.
        each: steps that count as one in ``curve``.

    Returns:
        ``(students, most points, 2)``, steps and relative losses; NaN after a student's last point. Losses that are
        not finite are left out.
    """
    at = np.arange(KEPT) * np.asarray(curve.stride)[:, None] * each
    kept = np.where(at < steps[:, None], curve.losses, np.nan)
    return _rows(np.column_stack([at, steps]), np.column_stack([kept, losses]) * unit)


def following(before: np.ndarray, after: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Curves of students that went on with another trainer.

    Args:
        before: their curves so far ``(students, points, 2)``.
        after: those of the other trainer.
        steps: taken so far ``(students,)``.
    """
    moved = after + np.stack([steps, np.zeros(len(steps))], axis=1)[:, None]
    both = np.concatenate([before, moved], axis=1)
    both = _rows(both[..., 0], both[..., 1])
    return both if both.shape[1] <= MOST else padded([_thinned(curve[np.isfinite(curve[:, 0])]) for curve in both])


def padded(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Curves ``(points, 2)`` of several lengths in one array."""
    together = np.full((len(curves), max((len(c) for c in curves), default=0), 2), np.nan)
    for row, curve in zip(together, curves, strict=True):
        row[: len(curve)] = curve
    return together


def _rows(steps: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Points in the order of their steps, those that are not finite left out; of two at a step the first stays."""
    curves = []
    for at, loss in zip(np.asarray(steps, float), np.asarray(losses, float), strict=True):
        there = np.isfinite(at) & np.isfinite(loss)
        at, first = np.unique(at[there], return_index=True)
        curves.append(np.stack([at, loss[there][first]], axis=1))
    return padded(curves)


def _thinned(curve: np.ndarray) -> np.ndarray:
    """At most ``MOST`` of its points, the first and the last among them."""
    if len(curve) <= MOST:
        return curve
    return curve[np.linspace(0, len(curve) - 1, MOST).round().astype(int)]
