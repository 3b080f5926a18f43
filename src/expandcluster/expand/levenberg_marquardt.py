"""Levenberg-Marquardt for a population: (J'J + lambda I) step = -J'r, damping by Nielsen's rule.

The gain ratio rho = (actual fall of the loss) / (predicted fall) sets the damping
(Madsen, Nielsen, Tingleff 2004, Methods for non-linear least squares problems, section 3.2):
lambda <- lambda max(1/3, 1 - (2 rho - 1)^3) after a success; lambda <- lambda nu, nu <- 2 nu after
a failure. lambda I and not lambda diag(J'J): it converges from more starts.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import (
    assemble,
    bytes_per_sample,
    flatten,
    gram_parts,
    loss,
    parameter_count,
    unflatten,
)
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import LMOptions
from expandcluster.precision import in_float64
from expandcluster.threads import one_thread_each

__all__ = ["free_parameters", "levenberg_marquardt"]

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


@in_float64
def levenberg_marquardt(population: Population, samples: Samples, activation: Activation,
                        options: LMOptions | None = None, *, seed: int = 0,
                        sharpness: float | None = None) -> TrainedPopulation:
    """Train every student to ``samples.floor``, or until it makes no progress.

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
    x, y, present = _chunks(samples, sizes, options)
    total = samples.total_variance or 1.0
    thetas = jax.vmap(flatten)(population.weights, population.biases)
    free = free_parameters(population)
    run = functools.partial(
        _train, x=x, y=y, present=present, target=samples.floor * total,
        sharpness=None if sharpness is None else jnp.asarray(sharpness), damping=options.damping,
        steps=options.steps, patience=options.patience, progress=options.progress,
        sizes=sizes, activation=activation,
    )
    if jax.default_backend() == "cpu":
        # One student a thread: each leaves as soon as it is done, and all share one program.
        with one_thread_each(len(thetas)), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            ends = list(pool.map(lambda pair: _in_thread(run, *pair), zip(thetas, free, strict=True)))
        theta, lost, gradient, steps, stalled = (np.stack(part) for part in zip(*ends, strict=True))
    else:
        theta, lost, gradient, steps, stalled = (np.asarray(a) for a in jax.vmap(run)(thetas, free))
    relative = np.where(np.isfinite(lost), lost, np.inf) / total
    status = np.where(stalled, Status.STALLED, Status.STEPS)
    status = np.where(relative <= samples.floor, Status.FLOOR, status)
    status = np.where(np.isfinite(relative), status, Status.FAILED)
    weights, biases = jax.vmap(lambda t: unflatten(t, sizes))(jnp.asarray(theta))
    trained = Population(tuple(np.asarray(w) for w in weights), tuple(np.asarray(b) for b in biases), population.alive)
    return TrainedPopulation(trained, status, relative, 2 * gradient / total, steps)


def _in_thread(run: Callable[..., tuple[jax.Array, ...]], theta: jax.Array, free: jax.Array) -> tuple[np.ndarray, ...]:
    """Precision is set per thread in JAX, so it is set again here."""
    return in_float64(lambda: tuple(np.asarray(a) for a in run(theta, free)))()


def _chunks(samples: Samples, sizes: tuple[int, ...], options: LMOptions) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Samples in equal chunks that fit the memory option, padded; ``present`` is 0 at the padding."""
    n = len(samples.x)
    # The sums themselves are read and written once for each chunk: small chunks are slow where they are large.
    fit = max(64, options.memory // bytes_per_sample(sizes), min(512, parameter_count(sizes) // 8))
    chunks = -(-n // fit)
    size = -(-n // chunks)
    pad = chunks * size - n
    present = np.concatenate([np.ones(n), np.zeros(pad)]).reshape(chunks, size)
    x, y = (np.concatenate([a, np.repeat(a[:1], pad, axis=0)]).reshape(chunks, size, -1)
            for a in (samples.x, samples.y))
    return jnp.asarray(x), jnp.asarray(y), jnp.asarray(present)


def free_parameters(population: Population) -> jax.Array:
    """1 for parameters that may move, 0 for those of pruned neurons, ``(students, parameters)``."""
    students, sizes = population.students, population.sizes
    ends = [jnp.ones((students, sizes[0]), bool), *(jnp.asarray(a) for a in population.alive),
            jnp.ones((students, sizes[-1]), bool)]
    layers = []
    for low, up in itertools.pairwise(ends):
        both = jnp.concatenate([up[:, :, None] & low[:, None, :], up[:, :, None]], axis=2)
        layers.append(both.reshape(students, -1))
    return jnp.concatenate(layers, axis=1).astype(jnp.float64)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _train(theta: jax.Array, free: jax.Array, *, x: jax.Array, y: jax.Array, present: jax.Array, target: jax.Array,
           sharpness: jax.Array | None, damping: jax.Array, steps: jax.Array, patience: jax.Array,
           progress: jax.Array, sizes: tuple[int, ...], activation: Activation) -> tuple[jax.Array, ...]:
    """One student from start to end: parameters, loss, gradient norm, steps, whether it stalled."""

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
        moved = lost < (1.0 - progress) * state.mark
        mark, marked_at = jnp.where(moved, lost, state.mark), jnp.where(moved, step, state.marked_at)
        lam = jnp.where(accept, lam * shrink, lam * state.growth)
        stop = (lost <= target) | (step - marked_at >= patience) | (lam > 1e16 * largest) | ~jnp.isfinite(lost)
        return _State(theta, lost, gradient, matrix, lam, jnp.where(accept, 2.0, 2.0 * state.growth), step, mark,
                      marked_at, stop)

    lost, gradient, matrix = full_gram(theta)
    first = _State(theta, lost, gradient, matrix, damping * jnp.max(jnp.diagonal(matrix)), jnp.asarray(2.0),
                   jnp.asarray(0), lost, jnp.asarray(0), (lost <= target) | ~jnp.isfinite(lost))
    end = jax.lax.while_loop(lambda s: ~s.stop & (s.step < steps), advance, first)
    return end.theta, end.loss, jnp.linalg.norm(end.gradient), end.step, end.stop & (end.loss > target)
