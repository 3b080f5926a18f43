"""Levenberg-Marquardt without its matrix, for students whose J'J would be too large: inexact steps.

Every step solves (J'J + lambda I) step = -J'r by conjugate gradients, each of whose iterations costs about
four passes of the samples through the student. They are preconditioned by Kronecker factors, see kronecker.py.
For lambda see damping.py.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.damping import Limits, Number, damped, watched
from expandcluster.expand.each_student import each_student
from expandcluster.expand.gauss_newton import parameter_count, unflatten
from expandcluster.expand.kronecker import Eigen, Factors, first_moments, kronecker_factors, preconditioned
from expandcluster.expand.loss_curve import Curve
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.expand.training import End
from expandcluster.networks import Array, Population, forward
from expandcluster.options import LMOptions
from expandcluster.precision import in_float64

__all__ = ["matrix_free", "matrix_free_work"]

_INNER = 60  # most iterations of conjugate gradients in a step
_INEXACT = 1e-2  # they end when the residual is this share of the gradient, in the norm of the preconditioner
_PATIENCE = 15  # at most: a step here is worth several with the matrix

Linear = Callable[[jax.Array], jax.Array]


class _Problem(NamedTuple):
    x: jax.Array
    y: jax.Array
    first: Eigen  # eigenvalues and vectors of A of the first layer
    total: Number  # squares of the centred answers
    sharpness: jax.Array | None


class _State(NamedTuple):
    theta: jax.Array
    loss: jax.Array
    gradient_norm: jax.Array
    damping: jax.Array
    largest: jax.Array  # eigenvalue of J'J at the start, about
    growth: jax.Array
    step: jax.Array
    mark: jax.Array  # loss when progress was last seen
    marked_at: jax.Array  # step of that
    stop: jax.Array
    curve: Array
    stride: Array


def matrix_free_work(sizes: Sequence[int], samples: int) -> float:
    """Floating-point operations of one step of a student, about: four products of all samples in every iteration."""
    return 8.0 * _INNER * samples * parameter_count(sizes)


@in_float64
def matrix_free(population: Population, samples: Samples, activation: Activation, options: LMOptions | None = None, *,
                seed: int = 0, sharpness: float | None = None) -> TrainedPopulation:
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
    limits, total = Limits.of(options, samples, 1.0), samples.total_variance or 1.0
    x = jnp.asarray(samples.x)
    training = _Training(
        problem=_Problem(x, jnp.asarray(samples.y), first_moments(x), total,
                         None if sharpness is None else jnp.asarray(sharpness)),
        limits=limits._replace(patience=min(options.patience, _PATIENCE)), sizes=population.sizes,
        activation=activation,
    )
    return each_student(training, population, samples, unit=1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """One student from start to end; the loss is the relative one."""

    problem: _Problem
    limits: Limits
    sizes: tuple[int, ...]
    activation: Activation

    def begin(self, theta: jax.Array, free: jax.Array) -> _State:
        one = functools.partial(_begin, problem=self.problem, limits=self.limits, sizes=self.sizes,
                                activation=self.activation)
        return one(theta) if theta.ndim == 1 else jax.vmap(one)(theta)

    def go_on(self, state: _State, free: jax.Array, steps: int) -> _State:
        return _advance(state, free, steps, problem=self.problem, limits=self.limits, sizes=self.sizes,
                        activation=self.activation)

    def ended(self, state: _State, free: jax.Array) -> End | None:
        stop = np.asarray(state.stop)
        if not np.all(stop | (np.asarray(state.step) >= self.limits.steps)):
            return None
        status = np.where(stop, Status.STALLED, Status.STEPS)
        return End(np.asarray(state.theta), np.asarray(state.loss), 2 * np.asarray(state.gradient_norm),
                   np.asarray(state.step), status, np.asarray(state.curve), np.asarray(state.stride))

    def stored(self, state: _State) -> dict[str, np.ndarray]:
        return {name: np.asarray(a) for name, a in state._asdict().items()}

    def restored(self, stored: dict[str, np.ndarray]) -> _State:
        return _State(**{name: jnp.asarray(a) for name, a in stored.items()})


def _residual(theta: jax.Array, problem: _Problem, sizes: tuple[int, ...], activation: Activation) -> jax.Array:
    weights, biases = unflatten(theta, sizes)
    outputs = forward(weights, biases, activation, problem.x, problem.sharpness)
    return (outputs - problem.y) / jnp.sqrt(problem.total)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _begin(theta: jax.Array, *, problem: _Problem, limits: Limits, sizes: tuple[int, ...], activation: Activation
           ) -> _State:
    lost = jnp.sum(_residual(theta, problem, sizes, activation) ** 2)
    largest = jnp.max(jnp.stack([e_a.max() * e_s.max() for e_a, _, e_s, _ in
                                 _factors(theta, problem, sizes, activation)]))
    return _State(theta, lost, jnp.asarray(jnp.inf), jnp.asarray(limits.damping * largest), largest, jnp.asarray(2.0),
                  jnp.asarray(0), lost, jnp.asarray(0), (lost <= limits.target) | ~jnp.isfinite(lost),
                  *Curve.start(lost))


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _advance(state: _State, free: jax.Array, more: jax.Array, *, problem: _Problem, limits: Limits,
             sizes: tuple[int, ...], activation: Activation) -> _State:
    """So many ``more`` steps, within the limits."""
    until = jnp.minimum(state.step + more, limits.steps)

    def residual(theta: jax.Array) -> jax.Array:
        return _residual(theta, problem, sizes, activation)

    def advance(state: _State) -> _State:
        r, jacobian = jax.linearize(residual, state.theta)
        _, transposed = jax.vjp(residual, state.theta)
        gradient = transposed(r)[0] * free
        factors = _factors(state.theta, problem, sizes, activation)
        lam = state.damping

        def product(v: jax.Array) -> jax.Array:
            return transposed(jacobian(v))[0] * free

        move, predicted = _solve(product, lambda v: preconditioned(v, factors, sizes, lam) * free, gradient, lam)
        trial = state.theta + move
        lost = jnp.sum(residual(trial) ** 2)
        accept = jnp.isfinite(lost) & (lost < state.loss)
        lam, growth = damped(lam, state.growth, state.loss - lost, predicted, accept)
        lam = jnp.maximum(lam, 1e-16 * state.largest)
        step, now = state.step + 1, jnp.where(accept, lost, state.loss)
        mark, marked_at, waited = watched(now, step, state.mark, state.marked_at, limits)
        stop = (now <= limits.target) | waited | (lam > 1e16 * state.largest)
        curve = Curve(state.curve, state.stride).after(step, now)
        return _State(jnp.where(accept, trial, state.theta), now, jnp.linalg.norm(gradient), lam, state.largest,
                      growth, step, mark, marked_at, stop, *curve)

    return jax.lax.while_loop(lambda s: ~s.stop & (s.step < until), advance, state)


def _solve(product: Linear, precondition: Linear, gradient: jax.Array, lam: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The step by preconditioned conjugate gradients, and the fall of the loss that the linear model predicts."""
    def go(state: tuple) -> tuple:
        move, r, direction, size, count = state
        image = product(direction) + lam * direction
        alpha = size / jnp.maximum(jnp.vdot(direction, image), 1e-300)
        move, r = move + alpha * direction, r - alpha * image
        z = precondition(r)
        fresh = jnp.vdot(r, z)
        return move, r, z + fresh / jnp.maximum(size, 1e-300) * direction, fresh, count + 1

    r = -gradient
    z = precondition(r)
    size = jnp.vdot(r, z)
    move, r, *_ = jax.lax.while_loop(lambda s: (s[4] < _INNER) & (s[3] > _INEXACT**2 * size), go,
                                     (jnp.zeros_like(r), r, z, size, 0))
    # |r|^2 falls by -(2 g'd + d'Gd), and Gd = -g - lam d - r
    return move, -jnp.vdot(gradient, move) + lam * jnp.vdot(move, move) + jnp.vdot(r, move)


def _factors(theta: jax.Array, problem: _Problem, sizes: Sequence[int], activation: Activation) -> Factors:
    return kronecker_factors(theta, problem.x, problem.first, sizes, activation, problem.sharpness, problem.total)
