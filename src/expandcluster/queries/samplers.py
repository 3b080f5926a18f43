"""Where inputs are drawn: each sampler knows the middle and the unit of every input, and draws around them."""

from __future__ import annotations

import abc
import dataclasses
from typing import Self

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Region

__all__ = ["Around", "Gaussian", "Sampler", "Uniform", "Varied", "open_sampler"]

_FEW = 16  # of more inputs than these the sum of uniform ones hardly varies
_CONCENTRATION = 0.1, 20.0  # from nearly black and white to nearly grey


@dataclasses.dataclass(frozen=True)
class Sampler(abc.ABC):
    """A distribution of inputs inside a region.

    Attributes:
        region: which inputs may be asked.
        center: its middle ``(inputs,)``.
        unit: about one standard deviation of every input ``(inputs,)``, never 0.
        share: how much nearer to the center inputs are drawn than they might be.
    """

    region: Region
    center: np.ndarray
    unit: np.ndarray
    share: float = dataclasses.field(default=1.0, kw_only=True)

    def scaled(self, share: float) -> Self:
        """The same distribution, drawn in towards its center to this share of its size."""
        return self if share == 1 else dataclasses.replace(self, unit=self.unit * share, share=self.share * share)

    def _nearer(self, x: np.ndarray) -> np.ndarray:
        """Inputs ``(samples, inputs)`` of the undiminished distribution, drawn in."""
        return x if self.share == 1 else self.center + self.share * (x - self.center)

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Inputs ``(count, inputs)`` inside the region's bounds, before they are rounded to what may be asked."""


@dataclasses.dataclass(frozen=True)
class Gaussian(Sampler):
    """Normal around the center, reflected at the bounds."""

    @staticmethod
    def of(region: Region, scale: float) -> Gaussian:
        """Standard deviation ``scale`` around 0, or beside the one bound there is, or the middle of a box.

        In a box it is at most that of the uniform distribution.
        """
        below, above = np.isfinite(region.low), np.isfinite(region.high)
        low, high = np.where(below, region.low, 0.0), np.where(above, region.high, 0.0)
        beside = np.where(below, np.maximum(low + scale, 0.0), np.where(above, np.minimum(high - scale, 0.0), 0.0))
        widest = np.where(below & above & (high > low), (high - low) / np.sqrt(12.0), np.inf)
        return Gaussian(region, np.where(below & above, (low + high) / 2, beside), np.minimum(scale, widest))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return self.region.folded(self.center + self.unit * rng.normal(size=(count, len(self.unit))))


@dataclasses.dataclass(frozen=True)
class Uniform(Sampler):
    """Uniform in a box."""

    @staticmethod
    def of(region: Region) -> Uniform:
        """The uniform distribution in the box of a bounded region."""
        half = (region.high - region.low) / 2
        return Uniform(region, region.low + half, np.where(half > 0, half / np.sqrt(3.0), 1.0))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        low, high = self.region.low, self.region.high
        if self.region.integers:  # each whole number as likely as any other
            return self._nearer(np.floor(rng.uniform(size=(count, len(low))) * (high - low + 1)) + low)
        return self._nearer(rng.uniform(low, high, size=(count, len(low))))


@dataclasses.dataclass(frozen=True)
class Varied(Sampler):
    """In a box: a third uniform, a third mostly low and a third mostly high, each to a degree of its own.

    The sum of many uniform inputs, weighted alike, is always about the same: neurons that respond to dark images
    only are always saturated. Here every input of a sample is beta distributed, with a mean and a
    concentration that vary from sample to sample: from all black to all white, from grey to black and white.
    """

    @staticmethod
    def of(region: Region) -> Varied:
        """The distribution in the box of a bounded region."""
        width = region.high - region.low
        concentrations = np.log((1 + 1 / _CONCENTRATION[0]) / (1 + 1 / _CONCENTRATION[1]))
        within = concentrations / np.log(_CONCENTRATION[1] / _CONCENTRATION[0])  # mean of 1 / (concentration + 1)
        square = (1 / 12 + 2 * (1 / 7 + within * (1 / 4 - 1 / 7))) / 3  # with the moments of U^3
        return Varied(region, region.low + width / 2, np.where(width > 0, width * np.sqrt(square), 1.0))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        low, high = self.region.low, self.region.high
        mean = np.maximum(rng.uniform(size=count) ** 3, 1 / len(low))
        kind = np.arange(count) % 3
        mean = np.where(kind == 0, 0.5, np.where(kind == 1, mean, 1 - mean))
        concentration = np.exp(rng.uniform(np.log(_CONCENTRATION[0]), np.log(_CONCENTRATION[1]), size=count))
        concentration = np.where(kind == 0, 2.0, concentration)  # with mean 0.5 the uniform distribution
        share = rng.beta((concentration * mean)[:, None], (concentration * (1 - mean))[:, None], (count, len(low)))
        if self.region.integers:
            return self._nearer(np.minimum(np.floor(share * (high - low + 1)) + low, high))
        return self._nearer(np.clip(low + share * (high - low), low, high))


@dataclasses.dataclass(frozen=True)
class Around(Sampler):
    """Given rows plus normal perturbations.

    Attributes:
        rows: ``(samples, inputs)``.
        size: standard deviation of the perturbations in units of each input's own.
    """

    rows: np.ndarray
    size: float

    @staticmethod
    def of(region: Region, rows: np.ndarray, size: float) -> Around:
        """Around ``rows`` ``(samples, inputs)``; an input that never varies has the typical unit of the others."""
        unit = rows.std(axis=0)
        alive = unit > 1e-9 * np.abs(rows).max(axis=0)
        return Around(region, rows.mean(axis=0), np.where(alive, unit, np.median(unit[alive]) if alive.any() else 1.0),
                      rows, size)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        row = self._nearer(self.rows[rng.integers(len(self.rows), size=count)])
        return self.region.folded(row + self.size * self.unit * rng.normal(size=row.shape))


def open_sampler(options: QueryOptions, region: Region, rows: np.ndarray | None) -> Sampler:
    """The sampler that the options ask for.

    Args:
        options: sampler, scale and size of perturbations.
        region: which inputs may be asked.
        rows: inputs ``(samples, inputs)`` that the user gave, if any.

    Raises:
        BadInput: the sampler needs rows or a box that are not there, or has no use for the rows.
    """
    kind = options.sampler
    if rows is not None and kind in ("gaussian", "uniform", "varied"):
        raise BadInput("option sampler", got=f"'{kind}' and inputs", expected="'around', or no inputs",
                       remedy="Inputs are asked as they are ('auto') or with perturbations ('around').")
    if rows is not None:
        return Around.of(region, rows, options.perturbation if kind == "around" else 0.0)
    if kind == "around":
        raise BadInput("option sampler", got="'around' without inputs", expected="inputs to draw around",
                       remedy="Give them with inputs=... (--inputs FILE).")
    if kind in ("uniform", "varied") and not region.bounded:
        raise BadInput("option sampler", got=f"'{kind}' without bounds for every input", expected="a box",
                       remedy="Give one with domain=Domain(low=..., high=...) (--box LOW,HIGH).")
    if kind == "varied" or (kind == "auto" and region.bounded and len(region.low) > _FEW):
        return Varied.of(region)
    if kind == "uniform" or (kind == "auto" and region.bounded):
        return Uniform.of(region)
    return Gaussian.of(region, options.scale)
