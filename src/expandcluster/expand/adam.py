"""Adam on mini-batches, learning rate reduced when the loss stays on a plateau (paper, appendix C)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from expandcluster.activations import Activation
from expandcluster.expand.each_student import free_parameters
from expandcluster.expand.gauss_newton import flatten, loss, unflatten
from expandcluster.expand.loss_curve import Curve, curve_points
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import AdamOptions
from expandcluster.precision import in_float64

__all__ = ["adam"]


@in_float64
def adam(population: Population, samples: Samples, activation: Activation, options: AdamOptions | None = None, *,
         seed: int = 0) -> TrainedPopulation:
    """Train every student on the same shuffled mini-batches.

    The learning rate of each student is multiplied by ``factor`` after ``patience`` epochs without
    progress; a student rests when its loss is at the floor or its learning rate at the least one.

    Args:
        population: the students; pruned neurons stay pruned.
        samples: queries and answers.
        activation: of the hidden layers.
        options: see :class:`AdamOptions`.
        seed: of the shuffling.
    """
    options = options or AdamOptions()
    sizes = population.sizes
    total = samples.total_variance or 1.0
    theta = jax.vmap(flatten)(population.weights, population.biases)
    free = free_parameters(population)
    n = len(samples.x)
    batch = min(options.batch, n)
    optimiser = optax.scale_by_adam()
    memory = jax.vmap(optimiser.init)(theta)
    x, y, present = jnp.asarray(samples.x), jnp.asarray(samples.y), jnp.ones(n)

    def whole_loss(theta: jax.Array) -> jax.Array:
        return loss(theta, sizes, activation, x, y, present)

    whole = jax.jit(jax.vmap(whole_loss))
    rate = np.full(population.students, options.learning_rate)
    best, waited, steps = np.full(population.students, np.inf), np.zeros(len(rate), int), np.zeros(len(rate), int)
    rng = np.random.default_rng(seed)
    relative = np.asarray(whole(theta)) / total
    curve, follow = jax.vmap(Curve.start)(jnp.asarray(relative)), jax.jit(jax.vmap(Curve.after, in_axes=(0, None, 0)))
    for epoch in range(options.epochs):
        active = (relative > samples.floor) & np.isfinite(relative) & (rate >= options.least_learning_rate)
        if not active.any():
            break
        order = rng.permutation(n)[: n // batch * batch].reshape(-1, batch)
        theta, memory = _epoch(theta, memory, free, rate * active, x[order], y[order], sizes=sizes,
                               activation=activation)
        relative = np.asarray(whole(theta)) / total
        steps += active * len(order)
        curve = follow(curve, epoch + 1, relative)
        better = relative < (1 - 1e-3) * best
        best, waited = np.where(better, relative, best), np.where(better, 0, waited + 1)
        plateau = waited >= options.patience
        rate, waited = np.where(plateau, rate * options.factor, rate), np.where(plateau, 0, waited)
    gradient = jax.vmap(jax.grad(whole_loss))(theta)
    status = np.where(rate < options.least_learning_rate, Status.STALLED, Status.STEPS)
    status = np.where(relative <= samples.floor, Status.FLOOR, status)
    status = np.where(np.isfinite(relative), status, Status.FAILED)
    weights, biases = jax.vmap(lambda t: unflatten(t, sizes))(theta)
    trained = Population(tuple(np.asarray(w) for w in weights), tuple(np.asarray(b) for b in biases), population.alive)
    norm = np.linalg.norm(np.asarray(gradient * free), axis=1) / total
    return TrainedPopulation(trained, status, np.where(np.isfinite(relative), relative, np.inf), norm, steps,
                             curve_points(jax.tree.map(np.asarray, curve), steps, relative, each=n // batch))


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _epoch(theta: jax.Array, memory: optax.OptState, free: jax.Array, rate: jax.Array, x: jax.Array, y: jax.Array, *,
           sizes: tuple[int, ...], activation: Activation) -> tuple[jax.Array, optax.OptState]:
    """One pass over mini-batches ``(batches, batch, ...)`` for all students."""
    optimiser = optax.scale_by_adam()
    present = jnp.ones(x.shape[1])

    def gradient(theta: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jax.grad(lambda t: loss(t, sizes, activation, x, y, present) / x.shape[0])(theta)

    def step(carry: tuple[jax.Array, optax.OptState], batch: tuple[jax.Array, jax.Array]
             ) -> tuple[tuple[jax.Array, optax.OptState], None]:
        theta, memory = carry
        slope = jax.vmap(gradient, in_axes=(0, None, None))(theta, *batch) * free
        move, memory = jax.vmap(optimiser.update)(slope, memory)
        return (theta - rate[:, None] * move * free, memory), None

    return jax.lax.scan(step, (theta, memory), (x, y))[0]
