"""Nielsen's damping, and when a student makes no progress: what Levenberg-Marquardt needs with its matrix and without.

Madsen, Nielsen, Tingleff 2004, Methods for non-linear least squares problems, section 3.2: with the gain ratio
rho = (actual fall of the loss) / (predicted fall), lambda <- lambda max(1/3, 1 - (2 rho - 1)^3) after a success;
lambda <- lambda nu, nu <- 2 nu after a failure.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from expandcluster.expand.population import Samples
from expandcluster.networks import Array
from expandcluster.options import LMOptions

__all__ = ["Limits", "Number", "damped", "watched"]

_CREEPING, _CREEPING_STEPS = 0.1, 20  # see LMOptions.creep

Number = Array | float


class Limits(NamedTuple):
    """Where training begins to be damped, and where it ends; see :class:`LMOptions`.

    Attributes:
        target: loss at which it ends.
        damping: first lambda over the largest diagonal entry of J'J.
        steps: most steps.
        patience: steps without progress after which it ends.
        progress: relative fall of the loss that counts as progress.
        creep: loss below which only a fall of ten times does.
    """

    target: Number
    damping: Number
    steps: Number
    patience: Number
    progress: Number
    creep: Number

    @classmethod
    def of(cls, options: LMOptions, samples: Samples, unit: float) -> Limits:
        """Those of the options, for a loss that is ``unit`` where the relative loss is 1."""
        return cls(samples.floor * unit, options.damping, options.steps, options.patience, options.progress,
                   (options.creep or 0.0) * unit)


def damped(lam: Number, growth: Number, fall: Number, predicted: Number, accept: jax.Array, least: float = 1.0 / 3.0
           ) -> tuple[jax.Array, jax.Array]:
    """Lambda and nu after a step whose loss fell by ``fall``, and was to fall by ``predicted``.

    Lambda falls to no less than this ``least`` share.
    """
    gain = fall / jnp.maximum(predicted, 1e-300)
    shrink = jnp.maximum(least, 1.0 - (2.0 * jnp.minimum(gain, 1.0) - 1.0) ** 3)
    return jnp.where(accept, lam * shrink, lam * growth), jnp.where(accept, 2.0, 2.0 * growth)


def watched(loss: jax.Array, step: jax.Array, mark: jax.Array, marked_at: jax.Array, limits: Limits
            ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Loss and step when progress was last seen, and whether that was too long ago."""
    creeps = loss < limits.creep
    moved = loss < jnp.where(creeps, _CREEPING, 1.0 - limits.progress) * mark
    wait = jnp.where(creeps, jnp.minimum(_CREEPING_STEPS, limits.patience), limits.patience)
    mark, marked_at = jnp.where(moved, loss, mark), jnp.where(moved, step, marked_at)
    return mark, marked_at, step - marked_at >= wait
