"""The students' coordinates: a teacher's inputs in units of their own, inside a subspace if there is one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from expandcluster.networks import Network
from expandcluster.threads import one_thread

__all__ = ["Coordinates"]

_CONSTANT = 1e-9  # an input that varies by less than this share of its size does not vary
_NULL = 1e-13  # variance, over the largest, of a direction in which rows do not vary


@dataclasses.dataclass(frozen=True)
class Coordinates:
    """The affine map ``x = center + unit * (basis z)`` between a teacher's inputs x and a student's z.

    Students start from weights that suit inputs of mean 0 and standard deviation 1, and their
    trainer damps all parameters alike: both need coordinates in which inputs are of one size.

    Attributes:
        center: the input with z = 0, ``(inputs,)``.
        unit: size of one unit of each input, ``(inputs,)``.
        basis: orthonormal columns ``(inputs, rank)``; ``None`` for all of the space.
        stretch: how long each column of the basis is taken to be ``(rank,)``; ``None`` for 1.
    """

    center: np.ndarray
    unit: np.ndarray
    basis: np.ndarray | None = None
    stretch: np.ndarray | None = None

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> Coordinates:
        """Coordinates in which given rows ``(samples, inputs)`` have mean 0 and, on average, variance 1.

        Each input is measured by its range: inputs in different units become alike, but a pixel that few images
        use is not blown up, as its standard deviation would do: students then learn far more slowly. The axes are
        the rows' principal ones, without those along which they do not vary.
        """
        center, reach = rows.mean(axis=0), np.ptp(rows, axis=0)
        varies = reach > _CONSTANT * np.maximum(np.abs(rows).max(axis=0), 1e-300)
        if not varies.any():
            return cls(center, np.ones(len(center)))
        scaled = (rows[:, varies] - center[varies]) / reach[varies]
        size = float(np.sqrt(np.mean(scaled**2)))
        unit = np.where(varies, reach * size, 1.0)
        with one_thread():  # a run that goes on elsewhere must find the same axes, small ones too
            values, vectors = np.linalg.eigh(scaled.T @ scaled)
        kept = values > _NULL * values[-1]
        basis = np.zeros((len(center), int(kept.sum())))
        basis[varies] = vectors[:, kept][:, ::-1]
        return cls(center, unit, basis)

    @classmethod
    def by_spread(cls, x: np.ndarray) -> Coordinates:
        """Each of the inputs ``(samples, inputs)`` in units of its standard deviation, if it has one."""
        spread = x.std(axis=0)
        return cls(np.zeros(len(spread)), np.where(spread > 0, spread, 1.0))

    @property
    def size(self) -> int:
        """Numbers in one z."""
        return len(self.unit) if self.basis is None else int(self.basis.shape[1])

    @property
    def whole(self) -> Coordinates:
        """The same units without the subspace."""
        return dataclasses.replace(self, basis=None, stretch=None)

    def inside(self, x: np.ndarray) -> np.ndarray:
        """The coordinates ``(samples, size)`` of inputs ``(samples, inputs)``, or of their projection."""
        u = (x - self.center) / self.unit
        if self.basis is None:
            return u
        return u @ self.basis if self.stretch is None else u @ self.basis / self.stretch

    def outside(self, z: np.ndarray) -> np.ndarray:
        """The inputs ``(samples, inputs)`` with coordinates ``(samples, size)``."""
        z = z if self.stretch is None else z * self.stretch
        return self.center + self.unit * (z if self.basis is None else z @ self.basis.T)

    def lift(self, network: Network) -> Network:
        """A network on coordinates as a network on the teacher's inputs."""
        first, bias = self.lift_layer(network.weights[0], network.biases[0])
        return Network((first, *network.weights[1:]), (bias, *network.biases[1:]), network.activation)

    def lift_layer(self, weights: Any, bias: Any) -> tuple[Any, Any]:
        """Its first layer alone ``(hidden, size)``, ``(hidden,)``, of NumPy's arrays or JAX's."""
        first = weights if self.stretch is None else weights / self.stretch
        first = (first if self.basis is None else first @ self.basis.T) / self.unit
        return first, bias - first @ self.center

    def lower(self, network: Network) -> Network:
        """A network on the teacher's inputs as a network on coordinates."""
        first = network.weights[0] * self.unit
        first = first if self.basis is None else first @ self.basis
        first = first if self.stretch is None else first * self.stretch
        return Network((first, *network.weights[1:]),
                       (network.biases[0] + network.weights[0] @ self.center, *network.biases[1:]), network.activation)
