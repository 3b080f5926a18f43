"""Levenberg-Marquardt for a population: (J'J + lambda I) step = -J'r, damping by Nielsen's rule.

See damping.py for that rule. lambda I and not lambda diag(J'J): it converges from more starts.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.damping import Limits, damped, watched
from expandcluster.expand.each_student import Chunks, chunks, each_student
from expandcluster.expand.gauss_newton import assemble, bytes_per_sample, gram_parts, loss, parameter_count
from expandcluster.expand.loss_curve import KEPT, Curve
from expandcluster.expand.matrix_free import matrix_free
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.expand.training import End
from expandcluster.networks import Network, Population, stack
from expandcluster.options import LMOptions
from expandcluster.precision import in_float64

__all__ = ["fits", "levenberg_marquardt", "train_one"]

_OPTIONS = LMOptions()
_MOST_ROWS = 2**14  # of a matrix: OpenBLAS on several threads ends in a segmentation fault somewhere above 17,000
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
    fresh: jax.Array  # whether loss, gradient and gram of theta are still to be computed, as at the start


_KEPT = ("theta", "damping", "growth", "step", "mark", "marked_at")  # the rest is computed again from theta


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
    total = samples.total_variance or 1.0
    training = _Training(
        samples=chunks(samples, sizes, options.memory), limits=Limits.of(options, samples, total),
        sharpness=None if sharpness is None else np.float64(sharpness), sizes=sizes, activation=activation,
    )
    return each_student(training, population, samples, unit=1.0 / total)


def train_one(network: Network, samples: Samples, options: LMOptions) -> tuple[Network, float, int]:
    """A single network trained; also its relative loss, and steps taken."""
    trained = levenberg_marquardt(stack([network]), samples, network.activation, options)
    return trained.population.network(0, network.activation), float(trained.loss[0]), int(trained.steps[0])


def fits(sizes: Sequence[int], options: LMOptions = _OPTIONS) -> bool:
    """Whether the matrix J'J of one student of these layer sizes is made.

    It must not be larger than the options allow, nor, on a processor, than LAPACK can factorise; and where layers have
    hundreds of inputs, whose products of pairs it is made of, steps without it are faster.
    """
    largest = options.largest_matrix
    if jax.default_backend() == "cpu":
        largest = min(largest, 8 * _MOST_ROWS**2)
    return 8 * parameter_count(sizes) ** 2 <= largest and bytes_per_sample(sizes) <= _MOST_PAIRS


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """One student from start to end; the loss is the sum of squared errors."""

    samples: Chunks
    limits: Limits
    sharpness: np.float64 | None
    sizes: tuple[int, ...]
    activation: Activation

    def begin(self, theta: jax.Array, free: jax.Array) -> _State:
        first = np.asarray(theta)
        zero = np.zeros(first.shape[:-1])
        curve = Curve(np.full((*zero.shape, KEPT), np.nan), zero.astype(int) + 1)
        return self._fresh(curve, theta=first, damping=zero, growth=zero + 2.0, step=zero.astype(int),
                           mark=zero + np.inf, marked_at=zero.astype(int))

    def go_on(self, state: _State, free: jax.Array, steps: int) -> _State:
        return _advance(state, free, steps, samples=self.samples, limits=self.limits, sharpness=self.sharpness,
                        sizes=self.sizes, activation=self.activation)

    def ended(self, state: _State, free: jax.Array) -> End | None:
        stop = np.asarray(state.stop)
        if np.any(state.fresh) or not np.all(stop | (np.asarray(state.step) >= self.limits.steps)):
            return None
        status = np.where(stop, Status.STALLED, Status.STEPS)
        norm = 2 * np.linalg.norm(np.asarray(state.gradient), axis=-1)
        return End(np.asarray(state.theta), np.asarray(state.loss), norm, np.asarray(state.step), status,
                   *map(np.asarray, state.curve))

    def stored(self, state: _State) -> dict[str, np.ndarray]:
        return {**{name: np.asarray(getattr(state, name)) for name in _KEPT},
                **{f"curve.{name}": np.asarray(a) for name, a in state.curve._asdict().items()}}

    def restored(self, stored: dict[str, np.ndarray]) -> _State:
        curve = Curve(*(stored[f"curve.{name}"] for name in Curve._fields))
        return self._fresh(curve, **{name: stored[name] for name in _KEPT})

    @staticmethod
    def _fresh(curve: Curve, **kept: Any) -> _State:
        shape = kept["theta"].shape
        host: dict[str, Any] = {  # small operations of JAX would be compiled for every size
            "loss": np.zeros(shape[:-1]), "gradient": np.zeros(shape), "gram": np.zeros((*shape, shape[-1])),
            "stop": np.zeros(shape[:-1], bool), "fresh": np.ones(shape[:-1], bool)}
        return _State(**host, **kept, curve=curve)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"), donate_argnames="state")
def _advance(state: _State, free: jax.Array, more: jax.Array, *, samples: Chunks, limits: Limits,
             sharpness: jax.Array | None, sizes: tuple[int, ...], activation: Activation) -> _State:
    """So many ``more`` steps, within the limits.

    A fresh state is first completed by the program that completes a step, so that it is the same to the last bit.
    """
    x, y, present = samples
    until = jnp.minimum(state.step + more, limits.steps)

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

    def step_from(state: _State, lam: jax.Array, largest: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        at = jnp.arange(len(free))
        factor = jnp.linalg.cholesky(state.gram.at[at, at].add(lam + (1.0 - free) * largest))
        move = -jax.scipy.linalg.cho_solve((factor, True), state.gradient) * free
        trial = state.theta + move
        return trial, full_loss(trial), jnp.dot(move, lam * move - state.gradient)

    def advance(state: _State) -> _State:
        largest = jnp.max(jnp.diagonal(state.gram))
        lam = jnp.maximum(state.damping, 1e-16 * largest)
        trial, lost, predicted = jax.lax.cond(state.fresh, lambda: (state.theta, state.loss, jnp.ones(())),
                                              lambda: step_from(state, lam, largest))
        accept = jnp.isfinite(lost) & (lost < state.loss)
        after, growth = damped(lam, state.growth, state.loss - lost, predicted, accept)
        theta, lost, gradient, matrix = jax.lax.cond(
            accept | state.fresh,
            lambda: (trial, *full_gram(trial)),
            lambda: (state.theta, state.loss, state.gradient, state.gram),
        )
        step = jnp.where(state.fresh, state.step, state.step + 1)
        mark, marked_at, waited = watched(lost, step, state.mark, state.marked_at, limits)
        stays = jnp.where(state.damping > 0, state.damping, limits.damping * jnp.max(jnp.diagonal(matrix)))
        lam, growth = jnp.where(state.fresh, stays, after), jnp.where(state.fresh, state.growth, growth)
        stuck = ~state.fresh & (waited | (lam > 1e16 * largest))
        stop = (lost <= limits.target) | stuck | ~jnp.isfinite(lost)
        return _State(theta, lost, gradient, matrix, lam, growth, step, mark, marked_at, stop,
                      state.curve.after(step, lost), jnp.zeros((), bool))

    return jax.lax.while_loop(lambda s: s.fresh | (~s.stop & (s.step < until)), advance, state)
