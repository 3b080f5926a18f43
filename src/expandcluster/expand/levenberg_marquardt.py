"""Levenberg-Marquardt for a population: (J'J + lambda I) step = -J'r, damping by Nielsen's rule.

The gain ratio rho = (actual fall of the loss) / (predicted fall) sets the damping
(Madsen, Nielsen, Tingleff 2004, Methods for non-linear least squares problems, section 3.2):
lambda <- lambda max(1/3, 1 - (2 rho - 1)^3) after a success; lambda <- lambda nu, nu <- 2 nu after
a failure. lambda I and not lambda diag(J'J): it converges from more starts.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from expandcluster.activations import Activation
from expandcluster.expand.each_student import End, chunks, each_student
from expandcluster.expand.gauss_newton import assemble, bytes_per_sample, gram_parts, loss, parameter_count
from expandcluster.expand.loss_curve import Curve
from expandcluster.expand.matrix_free import matrix_free
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import LMOptions
from expandcluster.precision import in_float64

__all__ = ["fits", "levenberg_marquardt"]

_CREEPING, _CREEPING_STEPS = 0.1, 20  # see LMOptions.creep
_MOST_PAIRS = 2**20  # bytes of the products of pairs of a layer's inputs for one sample

Chunk = tuple[jax.Array, jax.Array, jax.Array]  # x, y, present


class _State(NamedTuple):
    theta: jax.Array
    loss: jax.Array
    gradient: jax.Array
    gram: jax.Array
    damping: jax.Array
    growth: jax.Array
    step: jax.Array
    mark: jax.Array  # loss when progress was last seen
    marked_at: jax.Array  # step of that
    stop: jax.Array
    curve: Curve


@in_float64
def levenberg_marquardt(population: Population, samples: Samples, activation: Activation,
                        options: LMOptions | None = None, *, seed: int = 0,
                        sharpness: float | None = None) -> TrainedPopulation:
    """Train every student to ``samples.floor``, or until it makes no progress.

    Students whose matrix J'J is too large, or would take too long, are trained without it, see :func:`fits` and
    :func:`expandcluster.expand.matrix_free.matrix_free`.

    Args:
        population: the students; pruned neurons stay pruned.
        samples: queries and answers.
        activation: of the hidden layers.
        options: see :class:`LMOptions`.
        seed: not used, the method is deterministic; part of the trainers' contract.
        sharpness: train the smooth stand-in of a kinked activation instead.

    Returns:
        The trained students, each with status, relative loss, gradient norm and steps.
    """
    options = options or LMOptions()
    sizes = population.sizes
    if not fits(sizes, options):
        return matrix_free(population, samples, activation, options, seed=seed, sharpness=sharpness)
    x, y, present = chunks(samples, sizes, options.memory)
    total = samples.total_variance or 1.0
    run = functools.partial(
        _train, x=x, y=y, present=present, target=samples.floor * total,
        sharpness=None if sharpness is None else jnp.asarray(sharpness), damping=options.damping,
        steps=options.steps, patience=options.patience, progress=options.progress, creep=(options.creep or 0.0) * total,
        sizes=sizes, activation=activation,
    )
    return each_student(run, population, samples, unit=1.0 / total)


def fits(sizes: tuple[int, ...], options: LMOptions) -> bool:
    """Whether the matrix J'J of one student of these layer sizes is made.

    It must not be larger than the options allow; and where layers have hundreds of inputs, whose products of pairs it
    is made of, steps without it are faster.
    """
    return 8 * parameter_count(sizes) ** 2 <= options.largest_matrix and bytes_per_sample(sizes) <= _MOST_PAIRS


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _train(theta: jax.Array, free: jax.Array, *, x: jax.Array, y: jax.Array, present: jax.Array, target: jax.Array,
           sharpness: jax.Array | None, damping: jax.Array, steps: jax.Array, patience: jax.Array,
           progress: jax.Array, creep: jax.Array, sizes: tuple[int, ...], activation: Activation) -> End:
    """One student from start to end; the loss is the sum of squared errors."""

    def full_loss(theta: jax.Array) -> jax.Array:
        def add(total: jax.Array, chunk: Chunk) -> tuple[jax.Array, None]:
            return total + loss(theta, sizes, activation, *chunk, sharpness), None
        return jax.lax.scan(add, jnp.zeros(()), (x, y, present))[0]

    def full_gram(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def add(sums: Any, chunk: Chunk) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, gram_parts(theta, sizes, activation, *chunk, sharpness)), None
        shapes = jax.eval_shape(lambda: gram_parts(theta, sizes, activation, x[0], y[0], present[0], sharpness))
        zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        lost, gradient, parts = jax.lax.scan(add, zero, (x, y, present))[0]
        return lost, gradient * free, assemble(parts, sizes) * free[:, None] * free[None, :]

    def advance(state: _State) -> _State:
        largest = jnp.max(jnp.diagonal(state.gram))
        lam = jnp.maximum(state.damping, 1e-16 * largest)
        at = jnp.arange(len(free))
        factor = jnp.linalg.cholesky(state.gram.at[at, at].add(lam + (1.0 - free) * largest))
        move = -jax.scipy.linalg.cho_solve((factor, True), state.gradient) * free
        trial = state.theta + move
        lost = full_loss(trial)
        predicted = jnp.dot(move, lam * move - state.gradient)
        gain = (state.loss - lost) / jnp.maximum(predicted, 1e-300)
        accept = jnp.isfinite(lost) & (lost < state.loss)
        shrink = jnp.maximum(1.0 / 3.0, 1.0 - (2.0 * jnp.minimum(gain, 1.0) - 1.0) ** 3)
        theta, lost, gradient, matrix = jax.lax.cond(
            accept,
            lambda: (trial, *full_gram(trial)),
            lambda: (state.theta, state.loss, state.gradient, state.gram),
        )
        step = state.step + 1
        creeps = lost < creep
        moved = lost < jnp.where(creeps, _CREEPING, 1.0 - progress) * state.mark
        wait = jnp.where(creeps, jnp.minimum(_CREEPING_STEPS, patience), patience)
        mark, marked_at = jnp.where(moved, lost, state.mark), jnp.where(moved, step, state.marked_at)
        lam = jnp.where(accept, lam * shrink, lam * state.growth)
        stop = (lost <= target) | (step - marked_at >= wait) | (lam > 1e16 * largest) | ~jnp.isfinite(lost)
        return _State(theta, lost, gradient, matrix, lam, jnp.where(accept, 2.0, 2.0 * state.growth), step, mark,
                      marked_at, stop, state.curve.after(step, lost))

    lost, gradient, matrix = full_gram(theta)
    first = _State(theta, lost, gradient, matrix, damping * jnp.max(jnp.diagonal(matrix)), jnp.asarray(2.0),
                   jnp.asarray(0), lost, jnp.asarray(0), (lost <= target) | ~jnp.isfinite(lost), Curve.start(lost))
    end = jax.lax.while_loop(lambda s: ~s.stop & (s.step < steps), advance, first)
    status = jnp.where(end.stop, int(Status.STALLED), int(Status.STEPS))
    return End(end.theta, end.loss, 2 * jnp.linalg.norm(end.gradient), end.step, status, end.curve)
