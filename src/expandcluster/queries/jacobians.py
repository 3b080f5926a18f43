"""Jacobians of a teacher by finite differences, and the rank that their singular values show."""

from __future__ import annotations

import numpy as np

from expandcluster.queries.noise import type_epsilon
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source

__all__ = ["EXPLAINED", "MARGIN", "MORE", "MOST_UNEXPLAINED", "Differences", "rank_of"]

MORE = 3  # more rows than the rank, to see that it is the rank
MARGIN = 10.0  # the errors of singular values are known to this factor
EXPLAINED, MOST_UNEXPLAINED = 1e-5, 0.03  # changes of answers, relative to their spread, that are let pass
_SHORT = 0.5  # of a step, where kinks are near: crossed ones show directions that are none
_PRECISE = 1e-12  # relative noise below which one-sided differences, half as dear, are exact enough
_FALL, _CLEAN_FALL = 30.0, 1e3  # of singular values at the rank: down to what the errors explain, or in any case


class Differences:
    """Jacobians of a teacher in units of the sampler.

    One-sided differences err by ``step * curvature / 2 + noise / step``, at best about the square
    root of the noise; two-sided ones by ``step**2 + noise / step``, at best its power 2/3. One of d
    inputs does a part of what all do together, so it may be moved by more: the root of d is the most, if
    all have a like part, its root is taken. What is linear but for kinks has exact one-sided differences, in a box
    from the bound itself.

    Attributes:
        queries: what one Jacobian costs.
        error: of one entry, relative to the spread of the answers.
        spread: of the answers.
        noise: of an answer, relative to their spread.
        shift: how far each input is moved ``(inputs,)``.
    """

    def __init__(self, source: Source, probe: Probe) -> None:
        d, noise = source.teacher.inputs, max(probe.noise, 1e-16)
        self.source, self.spread, self.noise = source, probe.spread, noise
        precise = noise <= _PRECISE
        self._kinked = source.wide and source.region.bounded
        self._one_sided = precise or self._kinked
        step = min(0.1, noise ** (1 / 2 if precise else 1 / 3) * d**0.25) * (_SHORT if self._kinked else 1)
        sampler = source.sampler
        grid = 4 * type_epsilon(source.region.dtype) * (np.abs(sampler.center) + 4 * sampler.unit)
        self.error = float(np.sqrt(2.0 if self._one_sided else 0.5) * noise / step)
        self.shift = np.maximum(step * sampler.unit, grid)
        self.queries = d + 1 if self._one_sided else 2 * d

    def inner(self, x: np.ndarray) -> np.ndarray:
        """The inputs nearest to ``x`` ``(samples, inputs)`` from which steps stay in the box."""
        region = self.source.region
        room = 0.0 if self._kinked else np.minimum(self.shift, (region.high - region.low) / 2)
        return region.nearest(np.clip(x, region.low + room, region.high - room))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """At one input ``(inputs,)`` or, where steps would leave the box, beside it: ``(outputs, inputs)``.

        No rows where an answer cannot be used; those of free outputs only.
        """
        region, d = self.source.region, len(x)
        x = self.inner(x[None])[0]
        shift = np.minimum(self.shift, (region.high - region.low) / (1 if self._kinked else 2))
        if self._one_sided:
            points = _with(x, region.nearest(np.where(x + shift <= region.high, x + shift, x - shift)[None])[0])
            y = self.source.ask(np.concatenate([x[None], points]))
            change, width = y[1:] - y[0], np.diagonal(points) - x
        else:
            points = np.concatenate([_with(x, region.nearest((x + way * shift)[None])[0]) for way in (1, -1)])
            y = self.source.ask(points)
            change, width = y[:d] - y[d:], np.diagonal(points[:d]) - np.diagonal(points[d:])
        slopes = change / np.where(width == 0, np.inf, width)[:, None]  # 0 where the box leaves no room
        rows = (slopes * self.source.sampler.unit[:, None]).T
        rows = rows[: self.source.link.free(len(rows))]
        return rows[np.isfinite(rows).all(axis=1)]


def _with(x: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """``x`` ``(inputs,)`` with one input moved in each row ``(inputs, inputs)``."""
    return np.where(np.eye(len(x), dtype=bool), moved, x)


def rank_of(values: np.ndarray, error: float, least: int) -> int | None:
    """Index of the sharpest fall of the singular values; ``None`` if there is none.

    Args:
        values: largest first.
        error: the largest that the errors of the differences explain.
        least: smaller ranks were refuted.
    """
    if values[0] == 0:  # answers that do not vary near any point, as those of a tree
        return None
    relative = np.maximum(values / values[0], 1e-300)
    falls = relative[:-1] / relative[1:]
    clear = (falls >= _CLEAN_FALL) | ((falls >= _FALL) & (values[1:] <= MARGIN * error))
    clear &= (np.arange(1, len(values)) >= least) & (values[:-1] >= 3 * error)  # equal rows fall to rounding
    return int(np.argmax(np.where(clear, falls, 0.0))) + 1 if clear.any() else None
