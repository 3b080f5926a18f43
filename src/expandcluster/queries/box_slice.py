"""The slice of a box in which students are trained: the hull of as many corners as it takes.

The slice through the middle of a box along the row space has little room in the box, and neurons may be
saturated, or always on, near the middle. Any points of the box span a slice as good, if their
images in the row space are spread out: corners are placed so that these form a regular simplex around that of an
input where the answers bend, however near to the bounds it lies.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.queries.box_moves import move_within
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.domain import Region
from expandcluster.queries.samplers import Sampler

if TYPE_CHECKING:
    from expandcluster.queries.jacobians import Differences

__all__ = ["BoxSlice", "where_answers_bend"]

_LEAST, _MOST = 0.05, 2.0  # concentration of the mixtures: near to a corner, or near to the center
_FURTHER = 3.0  # as far out as elsewhere, at most
_DRAWN = 1000  # mixtures whose size is measured
_STARTS = 8  # inputs among which one is chosen
_MORE = 1.5  # times as many numbers in a row as there are directions to be seen


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

        Their images are as large as gives mixtures a standard deviation of one unit in every direction of
        the row space, or as the box has room for.

        Args:
            start: in the box ``(inputs,)``.
            sampler: knows the box, and the unit of every input.
            basis: of the row space, orthonormal columns ``(inputs, rank)`` in these units.
        """
        region, unit, rank = sampler.region, sampler.unit, basis.shape[1]
        shape = (rank + 1, len(unit))
        low, high = (np.broadcast_to((bound - start) / unit, shape) for bound in (region.low, region.high))
        image = _simplex(rank) * np.sqrt(rank / _mean_square(rank + 1))
        moves = move_within(low, high, image @ basis.T, basis, image)
        return BoxSlice(region, np.clip(start + unit * moves, region.low, region.high))

    def coordinates(self, unit: np.ndarray) -> Coordinates:
        """Students' coordinates in which mixtures have mean square 1 in every direction.

        Args:
            unit: of every input ``(inputs,)``.
        """
        center = self.corners.mean(axis=0)
        basis = np.linalg.svd((self.corners - center) / unit, full_matrices=False)[2][: len(self.corners) - 1].T
        plain = Coordinates(center, unit, basis)
        drawn = plain.inside(self.draw(np.random.default_rng(0), _DRAWN))
        return dataclasses.replace(plain, stretch=np.sqrt(np.mean(drawn**2, axis=0)))

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


def where_answers_bend(differences: Differences, basis: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Of some inputs ``(samples, inputs)`` the one around whose slice the answers bend most, in every direction.

    Where neurons are saturated, always on or always off, answers are linear: of the answers half way between
    each of the corners and each of some others nothing is left when what either adds is taken away. What is left
    elsewhere has as many directions as there are neurons that bend.

    Args:
        differences: whom to ask, and the noise of the answers.
        basis: of the row space, orthonormal columns ``(inputs, rank)``.
        starts: inputs in the box, the last few of which are asked, and the first.
    """
    source, rank = differences.source, basis.shape[1]
    others = 1 + math.ceil(_MORE * rank / source.teacher.outputs)
    best, most = starts[0], -np.inf
    for start in np.concatenate([starts[:1], starts[1:][-_STARTS:]]):
        corners = BoxSlice.around(start, source.sampler, basis).corners
        mixtures = BoxSlice(source.region, corners).draw(np.random.default_rng(0), others)
        points = source.region.nearest((corners[:, None] + mixtures).reshape(-1, len(start)) / 2)
        if len(points) > source.available // 8:
            break
        y = np.nan_to_num(source.ask(points)).reshape(rank + 1, others, -1)
        bend = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + y.mean(axis=(0, 1))
        values = np.linalg.svd(bend.reshape(rank + 1, -1), compute_uv=False)[:rank]
        score = float(np.sum(np.log(values + differences.noise * differences.spread)))
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
