"""Adam on mini-batches, learning rate reduced when the loss stays on a plateau (paper, appendix C)."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from expandcluster.activations import Activation
from expandcluster.expand.each_student import free_parameters, parameters, with_parameters
from expandcluster.expand.gauss_newton import loss, unflatten
from expandcluster.expand.loss_curve import Curve, curve_points
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.expand.train_all import split, train_all
from expandcluster.expand.training import End
from expandcluster.networks import Population, forward
from expandcluster.options import AdamOptions
from expandcluster.precision import in_float64

__all__ = ["adam"]

_KEPT = ("theta", "relative", "rate", "best", "waited", "steps", "epoch")


class _State(NamedTuple):
    theta: jax.Array
    memory: optax.ScaleByAdamState
    relative: np.ndarray  # relative loss
    rate: np.ndarray  # learning rate
    best: np.ndarray  # least relative loss when progress was last seen
    waited: np.ndarray  # epochs since
    steps: np.ndarray
    epoch: np.ndarray
    shuffling: np.random.Generator
    curve: Curve


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
    training = _Training(jnp.asarray(samples.x), jnp.asarray(samples.y), samples.floor, samples.total_variance or 1.0,
                         population.sizes, activation, options or AdamOptions(), seed)
    theta = parameters(population)
    groups = train_all(split(theta, free_parameters(population)), training, 6 * theta.shape[1] * len(samples.x))
    end = End(*(np.concatenate(part) for part in zip(*groups, strict=True)))
    trained = with_parameters(population, np.asarray(end.theta))
    norm, relative = np.asarray(end.gradient_norm), np.asarray(end.loss)
    curve = Curve(end.curve, np.asarray(end.stride))
    curves = curve_points(curve, np.asarray(end.steps), relative, each=len(samples.x) // training.batch)
    return TrainedPopulation(trained, np.asarray(end.status), relative, norm, np.asarray(end.steps), curves)


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """Students side by side; a step is an epoch."""

    x: jax.Array
    y: jax.Array
    floor: float
    total: float
    sizes: tuple[int, ...]
    activation: Activation
    options: AdamOptions
    seed: int

    @property
    def batch(self) -> int:
        """Samples in a mini-batch."""
        return min(self.options.batch, len(self.x))

    def begin(self, theta: jax.Array, free: jax.Array) -> _State:
        students = len(theta)
        memory, relative = jax.vmap(optax.scale_by_adam().init)(theta), self._relative(theta)
        return _State(theta, memory, relative, np.full(students, self.options.learning_rate),
                      np.full(students, np.inf), np.zeros(students, int), np.zeros(students, int), np.asarray(0),
                      np.random.default_rng(self.seed), jax.vmap(Curve.start)(jnp.asarray(relative)))

    def go_on(self, state: _State, free: jax.Array, steps: int) -> _State:
        n, batch, options = len(self.x), self.batch, self.options
        theta, memory, relative, rate, best, waited, taken, epoch, shuffling, curve = state
        for _ in range(steps):
            active = self._active(relative, rate)
            if not active.any() or epoch >= options.epochs:
                break
            order = shuffling.permutation(n)[: n // batch * batch].reshape(-1, batch)
            theta, memory = _epoch(theta, memory, free, rate * active, self.x, self.y, order, sizes=self.sizes,
                                   activation=self.activation)
            relative = self._relative(theta)
            taken = taken + active * len(order)
            better = relative < (1 - 1e-3) * best
            best, waited = np.where(better, relative, best), np.where(better, 0, waited + 1)
            plateau = waited >= options.patience
            rate, waited = np.where(plateau, rate * options.factor, rate), np.where(plateau, 0, waited)
            epoch = epoch + 1
            curve = _follow(curve, epoch, relative)
        return _State(theta, memory, relative, rate, best, waited, taken, epoch, shuffling, curve)

    def ended(self, state: _State, free: jax.Array) -> End | None:
        if self._active(state.relative, state.rate).any() and state.epoch < self.options.epochs:
            return None
        gradient = _gradients(state.theta, self.x, self.y, sizes=self.sizes, activation=self.activation)
        status = np.where(state.rate < self.options.least_learning_rate, Status.STALLED, Status.STEPS)
        status = np.where(state.relative <= self.floor, Status.FLOOR, status)
        status = np.where(np.isfinite(state.relative), status, Status.FAILED)
        norm = np.linalg.norm(np.asarray(gradient * free), axis=1) / self.total
        loss = np.where(np.isfinite(state.relative), state.relative, np.inf)
        return End(np.asarray(state.theta), loss, norm, state.steps, status, *map(np.asarray, state.curve))

    def stored(self, state: _State) -> dict[str, np.ndarray]:
        shuffling = json.dumps(state.shuffling.bit_generator.state).encode()
        return {**{name: np.asarray(getattr(state, name)) for name in _KEPT},
                **{f"memory.{name}": np.asarray(a) for name, a in state.memory._asdict().items()},
                **{f"curve.{name}": np.asarray(a) for name, a in state.curve._asdict().items()},
                "shuffling": np.frombuffer(shuffling, np.uint8)}

    def restored(self, stored: dict[str, np.ndarray]) -> _State:
        memory = optax.ScaleByAdamState(*(jnp.asarray(stored[f"memory.{name}"])
                                          for name in optax.ScaleByAdamState._fields))
        shuffling = np.random.default_rng(self.seed)
        shuffling.bit_generator.state = json.loads(stored["shuffling"].tobytes())
        kept: dict[str, Any] = {name: stored[name] for name in _KEPT}
        kept["theta"] = jnp.asarray(kept["theta"])
        curve = Curve(*(jnp.asarray(stored[f"curve.{name}"]) for name in Curve._fields))
        return _State(memory=memory, shuffling=shuffling, curve=curve, **kept)

    def _relative(self, theta: jax.Array) -> np.ndarray:
        return np.asarray(_losses(theta, self.x, self.y, sizes=self.sizes, activation=self.activation)) / self.total

    def _active(self, relative: np.ndarray, rate: np.ndarray) -> np.ndarray:
        return (relative > self.floor) & np.isfinite(relative) & (rate >= self.options.least_learning_rate)


@jax.jit
def _follow(curve: Curve, epoch: jax.Array, relative: jax.Array) -> Curve:
    return jax.vmap(Curve.after, in_axes=(0, None, 0))(curve, epoch, relative)


def _whole_loss(theta: jax.Array, sizes: tuple[int, ...], activation: Activation, x: jax.Array, y: jax.Array
                ) -> jax.Array:
    # Samples first. Where they are last, as in gauss_newton.py, XLA computes hidden units once for every output.
    return jnp.sum((forward(*unflatten(theta, sizes), activation, x) - y) ** 2)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _losses(thetas: jax.Array, x: jax.Array, y: jax.Array, *, sizes: tuple[int, ...], activation: Activation
            ) -> jax.Array:
    return jax.vmap(lambda theta: _whole_loss(theta, sizes, activation, x, y))(thetas)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _gradients(thetas: jax.Array, x: jax.Array, y: jax.Array, *, sizes: tuple[int, ...], activation: Activation
               ) -> jax.Array:
    return jax.vmap(jax.grad(lambda theta: _whole_loss(theta, sizes, activation, x, y)))(thetas)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _epoch(theta: jax.Array, memory: optax.OptState, free: jax.Array, rate: jax.Array, x: jax.Array, y: jax.Array,
           order: jax.Array, *, sizes: tuple[int, ...], activation: Activation) -> tuple[jax.Array, optax.OptState]:
    """One pass over mini-batches of the samples, ``order (batches, batch)``, for all students."""
    optimiser = optax.scale_by_adam()
    present = jnp.ones(order.shape[1])

    def gradient(theta: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jax.grad(lambda t: loss(t, sizes, activation, x, y, present) / x.shape[0])(theta)

    def step(carry: tuple[jax.Array, optax.OptState], batch: jax.Array
             ) -> tuple[tuple[jax.Array, optax.OptState], None]:
        theta, memory = carry
        slope = jax.vmap(gradient, in_axes=(0, None, None))(theta, x[batch], y[batch]) * free
        move, memory = jax.vmap(optimiser.update)(slope, memory)
        return (theta - rate[:, None] * move * free, memory), None

    return jax.lax.scan(step, (theta, memory), order)[0]
