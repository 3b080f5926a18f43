"""The slice of a box in which students are trained: the hull of as many corners as it takes.

The slice through the middle of a box along the row space has little room in the box, and neurons may be
saturated, or always on, near the middle. Any points of the box span a slice as good, if their
images in the row space are spread out: corners are placed so that these form a regular simplex around that of an
input where the answers bend, however near to the bounds it lies.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.queries.box_moves import move_within
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.domain import Region
from expandcluster.queries.samplers import Sampler

if TYPE_CHECKING:
    from expandcluster.queries.source import Source

__all__ = ["BoxSlice", "where_answers_bend"]

_LEAST, _MOST = 0.05, 2.0  # concentration of the mixtures: near to a corner, or near to the center
_FURTHER = 3.0  # as far out as elsewhere, at most
_MISSED = 0.3  # of a corner's image, where the box has no room for more
_HALVINGS = 12
_STARTS = 12  # inputs among which one is chosen


@dataclasses.dataclass(frozen=True)
class BoxSlice:
    """Mixtures of points of a box, which all lie in it.

    Attributes:
        region: the box.
        corners: ``(rank + 1, inputs)``.
    """

    region: Region
    corners: np.ndarray

    @staticmethod
    def around(start: np.ndarray, sampler: Sampler, basis: np.ndarray) -> BoxSlice:
        """Corners around an input.

        Their images have the size at which mixtures have a standard deviation of one unit in every
        direction of the row space, or the largest half, quarter, ... of it for which the box has room.

        Args:
            start: in the box ``(inputs,)``.
            sampler: knows the box, and the unit of every input.
            basis: of the row space, orthonormal columns ``(inputs, rank)`` in these units.
        """
        region, unit, rank = sampler.region, sampler.unit, basis.shape[1]
        shape = (rank + 1, len(unit))
        low, high = (np.broadcast_to((bound - start) / unit, shape) for bound in (region.low, region.high))
        image = _simplex(rank) * np.sqrt(rank / _mean_square(rank + 1))
        for _ in range(_HALVINGS):
            moves = move_within(low, high, image @ basis.T, basis, image)
            missed = np.linalg.norm(moves @ basis - image, axis=1) / np.linalg.norm(image, axis=1)
            if missed.max() <= _MISSED:
                break
            image = image / 2
        return BoxSlice(region, np.clip(start + unit * moves, region.low, region.high))

    def coordinates(self, unit: np.ndarray) -> Coordinates:
        """Students' coordinates in which mixtures have mean square 1, in units of ``unit`` ``(inputs,)``."""
        center = self.corners.mean(axis=0)
        basis = np.linalg.svd((self.corners - center) / unit, full_matrices=False)[2][: len(self.corners) - 1].T
        size = np.sqrt(np.mean(Coordinates(center, unit, basis).inside(self.draw(np.random.default_rng(0), 400)) ** 2))
        return Coordinates(center, unit * float(size), basis)

    def draw(self, rng: np.random.Generator, count: int, further: int = 0) -> np.ndarray:
        """Mixtures ``(count, inputs)``; every second, third, ... of them further out, as far as the box goes."""
        share = rng.gamma(_log_uniform(rng, count)[:, None], size=(count, len(self.corners))) + 1e-300
        x = share / share.sum(axis=1, keepdims=True) @ self.corners
        if further:
            center = self.corners.mean(axis=0)
            step = x[::further] - center
            reach = np.clip(self.region.reach(center, step), 1.0, _FURTHER)
            x[::further] = center + step * rng.uniform(1.0, reach)[:, None]
        return np.clip(x, self.region.low, self.region.high)


def where_answers_bend(source: Source, basis: np.ndarray, starts: np.ndarray, noise: float) -> np.ndarray:
    """Of some inputs ``(samples, inputs)`` the one around whose slice the answers bend most, in most of the outputs.

    How much they bend is seen at the middle between two corners. Where neurons are saturated, always on or
    always off, the answers are flat.

    Args:
        source: whom to ask.
        basis: of the row space.
        starts: inputs in the box, not all of which are asked if there are many.
        noise: of the answers.
    """
    best, most = starts[-1], -np.inf
    for start in starts[-_STARTS:]:
        corners = BoxSlice.around(start, source.sampler, basis).corners
        points = source.region.nearest(np.concatenate([corners, (corners + np.roll(corners, 1, axis=0)) / 2]))
        if len(points) > source.available // 4:
            break
        ends, middle = np.split(source.ask(points), 2)
        bend = np.nan_to_num(ends + np.roll(ends, 1, axis=0) - 2 * middle)
        score = float(np.sum(np.log(np.linalg.svd(bend, compute_uv=False) + noise)))
        if score > most:
            best, most = start, score
    return best


def _simplex(rank: int) -> np.ndarray:
    """Corners ``(rank + 1, rank)`` of a regular simplex around 0, at distance 1."""
    from_mean = np.eye(rank + 1) - 1 / (rank + 1)
    corners = from_mean @ np.linalg.svd(from_mean)[0][:, :rank]
    return corners / np.linalg.norm(corners, axis=1, keepdims=True)


def _log_uniform(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(_LEAST), np.log(_MOST), size=count))


def _mean_square(corners: int) -> float:
    """Of mixtures of the corners of a regular simplex at distance 1: the mean of 1/(corners a + 1) over a."""
    ends = [np.log(a / (corners * a + 1)) for a in (_LEAST, _MOST)]
    return float((ends[1] - ends[0]) / np.log(_MOST / _LEAST))
