"""The 150 shallow synthetic teachers: d inputs, r hidden neurons of activation g, one output.

After Martinelli et al. 2024, section 5.1. Rows of W are uniform on the sphere of radius 2, b ~
N(0, 0.5^2), a = z + 0.5 sign(z) with z ~ N(0, 1), c ~ N(0, 1); inputs are N(0, I). The generator never
changes: a test pins a checksum of every teacher.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.activations import get_activation
from expandcluster.errors import BadInput
from expandcluster.networks import Network

__all__ = ["HIDDEN", "INPUTS", "SEEDS", "SyntheticProblem", "synthetic_inputs", "synthetic_problems",
           "synthetic_teacher"]

INPUTS = (2, 4, 8, 16, 32)
HIDDEN = (2, 4, 8)
SEEDS = tuple(range(10))


@dataclasses.dataclass(frozen=True, order=True)
class SyntheticProblem:
    """One of the 150.

    Attributes:
        inputs: input dimension d.
        hidden: hidden neurons r.
        seed: of the teacher.

    Example:
        >>> SyntheticProblem(8, 4, 0).name
        'd=8,r=4,seed=0'
    """

    inputs: int
    hidden: int
    seed: int

    @property
    def name(self) -> str:
        """For example ``d=8,r=4,seed=0``."""
        return f"d={self.inputs},r={self.hidden},seed={self.seed}"

    @property
    def teacher(self) -> Network:
        """The network to recover."""
        return synthetic_teacher(self.inputs, self.hidden, self.seed)


def synthetic_teacher(inputs: int, hidden: int, seed: int) -> Network:
    """The teacher of one problem.

    Args:
        inputs: input dimension d, any positive integer (the published problems have 2, 4, 8, 16, 32).
        hidden: hidden neurons r, any positive integer (2, 4, 8).
        seed: of the teacher (0 to 9).

    Raises:
        BadInput: a number is no integer in its range.

    Example:
        >>> synthetic_teacher(8, 4, 0).sizes
        (8, 4, 1)
    """
    for name, value, least in (("inputs", inputs, 1), ("hidden", hidden, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise BadInput(name, got=repr(value), expected=f"an integer of at least {least}", remedy=f"Change {name}.")
    rng = np.random.default_rng([inputs, hidden, seed])
    w = rng.normal(size=(hidden, inputs))
    w *= 2.0 / np.sqrt(np.sum(w * w, axis=1, keepdims=True))
    b = 0.5 * rng.normal(size=hidden)
    z = rng.normal(size=(1, hidden))
    return Network((w, z + 0.5 * np.sign(z)), (b, rng.normal(size=1)), get_activation("g"))


def synthetic_inputs(problem: SyntheticProblem, samples: int) -> np.ndarray:
    """The first rows of the problem's own table of N(0, I) inputs, ``(samples, inputs)``.

    Example:
        >>> synthetic_inputs(SyntheticProblem(8, 4, 0), 100).shape
        (100, 8)
    """
    rng = np.random.default_rng([problem.inputs, problem.hidden, problem.seed, 1])
    return rng.normal(size=(samples, problem.inputs))


def synthetic_problems() -> tuple[SyntheticProblem, ...]:
    """All 150, ordered by d, r and seed.

    Example:
        >>> len(synthetic_problems())
        150
    """
    return tuple(SyntheticProblem(d, r, seed) for d in INPUTS for r in HIDDEN for seed in SEEDS)
