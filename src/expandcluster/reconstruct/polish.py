"""Polish a large network: Gauss-Newton steps, preconditioned by a factorisation of J'J that serves several of them.

Near a minimum of zero loss J'J hardly changes, so that one factorisation, which takes as long as hundreds of
products with J, makes conjugate gradients converge in a few iterations for many steps. It reaches directions that the
Kronecker factors of matrix_free.py do not: those of inputs that few samples use. Along these neurons bend before they
are where they belong, so that steps follow the curvature (Transtrum and Sethna 2012, Improvements to the
Levenberg-Marquardt algorithm for nonlinear least-squares minimization: geodesic acceleration).
"""

from __future__ import annotations

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cho_solve

from expandcluster.activations import Activation
from expandcluster.expand.damping import damped
from expandcluster.expand.gauss_newton import flatten, network_from, normal_product, unflatten
from expandcluster.expand.normal_matrix import factorised, normal_matrix
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["ROUNDING", "may_polish", "polish"]

ROUNDING = 1e-28  # relative loss that is that of rounding

_STEPS, _INNER = 80, 40
_INEXACT = 1e-3  # conjugate gradients end at this share of the gradient, in the norm of the preconditioner
_LEAST_DAMPING, _MOST_DAMPING = 1e-20, 1e3
_SHRINK = 0.1  # of the damping, is what is left of it after a step as good as predicted
_FAR = 3.0  # a factorisation serves dampings up to so many times larger or smaller
_TURN = 0.4  # of a step, is the most that it is turned by the curvature
_MUCH = 0.2  # of the loss left, is a step that is worth more than another factorisation
_NOTHING = 1e-10  # of the loss: it ends when a step promises no more
_PATIENCE, _AT_ROUNDING = 8, 3  # or so many do not halve it, few where it is at rounding


def may_polish(network: Network) -> bool:
    """Whether J'J of this network, of which two are held at once, takes no more than half of the machine's memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2 * 8 * network.parameters**2 <= memory / 2


@in_float64
def polish(network: Network, samples: Samples) -> tuple[Network, float, int]:
    """The network at the minimum nearby; also its relative loss, and steps taken.

    The damping starts at the relative loss: steps then converge quadratically even where samples leave directions open
    (Yamashita and Fukushima 2001, On the rate of convergence of the Levenberg-Marquardt method). It holds all
    parameters alike: weights that few samples tell of must not move far while the others are on their way.

    Args:
        network: near a minimum, small enough for its J'J to be made.
        samples: on which it is a minimum, in coordinates of one size.
    """
    total = samples.total_variance or 1.0
    problem = {"x": jnp.asarray(samples.x), "y": jnp.asarray(samples.y), "sizes": network.sizes,
               "activation": network.activation}
    theta = flatten(network.weights, network.biases)
    loss, gradient = _loss_and_gradient(theta, **problem)
    preconditioner, fresh = _Preconditioner(network, samples.x), True
    damping, growth, losses = max(float(loss) / total, _LEAST_DAMPING), 2.0, [float(loss)]
    while loss > samples.floor * total and len(losses) <= _STEPS and damping <= _MOST_DAMPING:
        preconditioner.factorise(damping)
        move, spent = _solve(theta, -gradient, preconditioner, problem)
        turn, also = _solve(theta, -0.5 * _curvature(theta, move, **problem), preconditioner, problem)
        trial = theta + move + (turn if jnp.linalg.norm(turn) <= _TURN * jnp.linalg.norm(move) else 0.0)
        lost, slope = _loss_and_gradient(trial, **problem)
        predicted = float(move @ (preconditioner.damping * move - gradient))
        damping, growth = map(float, damped(damping, growth, loss - lost, predicted, lost < loss, _SHRINK))
        damping = max(damping, _LEAST_DAMPING)
        if lost < loss:
            theta, loss, gradient, fresh = trial, lost, slope, False
        losses.append(float(loss))
        if predicted <= _NOTHING * loss or _stuck(losses, total):
            break
        if max(spent, also) == _INNER and not fresh and losses[-1] >= _MUCH * losses[-2]:
            preconditioner, fresh = _Preconditioner(network_from(theta, network), samples.x), True
    return network_from(theta, network), float(loss) / total, len(losses) - 1


def _stuck(losses: list[float], total: float) -> bool:
    wait = _AT_ROUNDING if losses[-1] <= ROUNDING * total else _PATIENCE
    return len(losses) > wait and not losses[-1] < 0.5 * losses[-1 - wait]


class _Preconditioner:
    """J'J scaled to a diagonal of ones, and a factorisation of it with damping.

    Attributes:
        damping: what is added to every diagonal entry of J'J.
    """

    def __init__(self, network: Network, x: np.ndarray) -> None:
        self._matrix = normal_matrix(network, x)
        scale = np.sqrt(np.diag(self._matrix))
        self._mean = float(np.mean(scale**2))
        self._scale = np.where(scale > 0, scale, 1.0)
        self._matrix /= self._scale
        self._matrix /= self._scale[:, None]
        self._at = self.damping = 0.0

    def factorise(self, damping: float) -> None:
        """Make it one of ``J'J + damping mean(diag(J'J)) I``; where rounding forbids, of more damping."""
        self.damping = damping * self._mean
        if self._at and self.damping / _FAR <= self._at <= self.damping * _FAR:
            return
        self._factor, self._at = factorised(self._matrix, self.damping, 1.0 / self._scale**2)

    def solve(self, v: np.ndarray) -> np.ndarray:
        return cho_solve((self._factor, True), v / self._scale, check_finite=False) / self._scale


def _solve(theta: jax.Array, target: jax.Array, preconditioner: _Preconditioner, problem: dict
           ) -> tuple[jax.Array, int]:
    """Solve ``(J'J + damping) v = target`` by preconditioned conjugate gradients; also the iterations it took."""
    r = np.asarray(target)
    found, z = np.zeros_like(r), preconditioner.solve(r)
    direction, size = z, float(r @ z)
    first, spent = size, 0
    while spent < _INNER and size > _INEXACT**2 * first:
        image = np.asarray(_product(theta, jnp.asarray(direction), **problem)) + preconditioner.damping * direction
        alpha = size / max(float(direction @ image), 1e-300)
        found, r = found + alpha * direction, r - alpha * image
        z = preconditioner.solve(r)
        size, old = float(r @ z), size
        direction = z + size / old * direction
        spent += 1
    return jnp.asarray(found), spent


def _residual(theta: jax.Array, x: jax.Array, y: jax.Array, sizes: tuple[int, ...], activation: Activation
              ) -> jax.Array:
    weights, biases = unflatten(theta, sizes)
    return forward(weights, biases, activation, x) - y


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _loss_and_gradient(theta: jax.Array, *, x: jax.Array, y: jax.Array, sizes: tuple[int, ...],
                       activation: Activation) -> tuple[jax.Array, jax.Array]:
    r, back = jax.vjp(lambda t: _residual(t, x, y, sizes, activation), theta)
    return jnp.sum(r**2), back(r)[0]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _curvature(theta: jax.Array, v: jax.Array, *, x: jax.Array, y: jax.Array, sizes: tuple[int, ...],
               activation: Activation) -> jax.Array:
    """``J'`` times the second derivatives of the answers along ``v``."""
    def residual(t: jax.Array) -> jax.Array:
        return _residual(t, x, y, sizes, activation)

    second = jax.jvp(lambda t: jax.jvp(residual, (t,), (v,))[1], (theta,), (v,))[1]
    return jax.vjp(residual, theta)[1](second)[0]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _product(theta: jax.Array, v: jax.Array, *, x: jax.Array, y: jax.Array, sizes: tuple[int, ...],
             activation: Activation) -> jax.Array:
    return normal_product(theta, v, x, sizes, activation)
