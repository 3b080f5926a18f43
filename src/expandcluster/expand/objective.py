"""The mean squared error of one student as the paper's trainers see it: value, gradient, Hessian.

One normalisation for all of them, as in the paper (appendix C): the mean over samples and outputs,
so that "a loss of 1e-31" and "a gradient norm of 1e-16" mean the same at every number of samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from expandcluster.activations import Activation
from expandcluster.expand.each_student import Chunks
from expandcluster.expand.gauss_newton import loss
from expandcluster.expand.hessian import hessian
from expandcluster.expand.population import Samples, Status

__all__ = ["MEMORY", "Mark", "Objective", "mean_squared_error", "relative_unit", "status_at_end"]

MEMORY = 2**25  # bytes for the temporary arrays of a chunk: fewer, larger sums of Hessians are faster

T = TypeVar("T")


def relative_unit(samples: Samples) -> float:
    """Relative loss of a mean squared error of 1."""
    return samples.answers / (samples.total_variance or 1.0)


def status_at_end(reached: jax.Array, stalled: jax.Array) -> jax.Array:
    """The status of a student that ended because it reached its target, stalled, or else spent its steps."""
    return jnp.where(reached, int(Status.TARGET), jnp.where(stalled, int(Status.STALLED), int(Status.STEPS)))


class Mark(NamedTuple):
    """Loss and gradient norm when progress was last seen, and the step of that."""

    loss: jax.Array
    gradient_norm: jax.Array
    step: jax.Array

    def after(self, loss: jax.Array, gradient_norm: jax.Array, step: jax.Array) -> Mark:
        """The mark after another step: progress is a fall of either by a tenth."""
        moved = (loss < 0.9 * self.loss) | (gradient_norm < 0.9 * self.gradient_norm)
        return Mark(jnp.where(moved, jnp.minimum(loss, self.loss), self.loss),
                    jnp.where(moved, jnp.minimum(gradient_norm, self.gradient_norm), self.gradient_norm),
                    jnp.where(moved, step, self.step))


class Objective(NamedTuple):
    """Functions of the parameters ``(parameters,)``; derivatives by pruned neurons' parameters are 0.

    Attributes:
        value: mean squared error; differentiable once, in reverse mode.
        gradient: mean squared error and its gradient.
        hessian: mean squared error, its gradient and its exact Hessian.
    """

    value: Callable[[jax.Array], jax.Array]
    gradient: Callable[[jax.Array], tuple[jax.Array, jax.Array]]
    hessian: Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]


def mean_squared_error(chunks: Chunks, free: jax.Array, *, sizes: tuple[int, ...], activation: Activation,
                       sharpness: jax.Array | None = None) -> Objective:
    """The objective of one student.

    Args:
        chunks: queries and answers.
        free: 1 for parameters that may move, ``(parameters,)``.
        sizes: layer sizes.
        activation: of the hidden layers.
        sharpness: see :meth:`Activation.value_and_slope`.
    """
    scale = 1.0 / (jnp.sum(chunks.present) * chunks.y.shape[-1])

    def over_chunks(part: Callable[[Chunks], T], like: T) -> T:
        def add(total: T, chunk: Chunks) -> tuple[T, None]:
            return jax.tree.map(jnp.add, total, part(chunk)), None
        return jax.lax.scan(add, like, chunks)[0]

    def squares(theta: jax.Array, chunk: Chunks) -> jax.Array:
        return loss(theta, sizes, activation, chunk.x, chunk.y, chunk.present, sharpness)

    def gradient(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        zero = (jnp.zeros(()), jnp.zeros_like(theta))
        lost, slope = over_chunks(lambda chunk: jax.value_and_grad(squares)(theta, chunk), zero)
        return scale * lost, scale * slope * free

    def second(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def part(chunk: Chunks) -> tuple[jax.Array, jax.Array, jax.Array]:
            return hessian(theta, sizes, activation, chunk.x, chunk.y, chunk.present, sharpness)

        p = theta.shape[0]
        lost, slope, matrix = over_chunks(part, (jnp.zeros(()), jnp.zeros(p), jnp.zeros((p, p))))
        return scale * lost, 2 * scale * slope * free, 2 * scale * matrix * free[:, None] * free

    @jax.custom_vjp
    def value(theta: jax.Array) -> jax.Array:
        return scale * over_chunks(lambda chunk: squares(theta, chunk), jnp.zeros(()))

    value.defvjp(gradient, lambda slope, cotangent: (cotangent * slope,))
    return Objective(value, gradient, second)
