"""The students' coordinates: a teacher's inputs in units of their own, inside a subspace if there is one."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.networks import Network

__all__ = ["Coordinates"]


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
        first = network.weights[0] if self.stretch is None else network.weights[0] / self.stretch
        first = (first if self.basis is None else first @ self.basis.T) / self.unit
        return Network((first, *network.weights[1:]), (network.biases[0] - first @ self.center, *network.biases[1:]),
                       network.activation)

    def lower(self, network: Network) -> Network:
        """A network on the teacher's inputs as a network on coordinates."""
        first = network.weights[0] * self.unit
        first = first if self.basis is None else first @ self.basis
        first = first if self.stretch is None else first * self.stretch
        return Network((first, *network.weights[1:]),
                       (network.biases[0] + network.weights[0] @ self.center, *network.biases[1:]), network.activation)
