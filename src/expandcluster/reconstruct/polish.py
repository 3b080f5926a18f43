"""Polish a large network: Gauss-Newton steps, preconditioned by a factorisation of J'J that serves several of them.

Near a minimum of zero loss J'J hardly changes, so that one factorisation, which takes as long as hundreds of
products with J, makes conjugate gradients converge in a few iterations for many steps. It reaches directions that the
Kronecker factors of matrix_free.py do not: those of inputs that few samples use.
"""

from __future__ import annotations

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cho_factor, cho_solve

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import flatten, network_from, unflatten
from expandcluster.expand.normal_matrix import normal_matrix
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["may_polish", "polish"]

_STEPS, _INNER = 40, 40
_INEXACT = 1e-3  # conjugate gradients end at this share of the gradient, in the norm of the preconditioner
_LEAST_DAMPING = 1e-14  # of the scaled matrix: below its rounding errors
_FAR = 3.0  # a factorisation serves dampings up to so many times larger or smaller
_PATIENCE, _FALL = 5, 0.5  # it ends when so many steps together do not bring the loss below this share


def may_polish(network: Network) -> bool:
    """Whether J'J of this network, of which two are held at once, takes no more than half of the machine's memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2 * 8 * network.parameters**2 <= memory / 2


@in_float64
def polish(network: Network, samples: Samples) -> tuple[Network, float, int]:
    """The network at the minimum nearby; also its relative loss, and steps taken.

    The damping starts at the relative loss: steps then converge quadratically even where samples leave directions open
    (Yamashita and Fukushima 2001, On the rate of convergence of the Levenberg-Marquardt method).

    Args:
        network: near a minimum, small enough for its J'J to be made.
        samples: on which it is a minimum, in coordinates of one size.
    """
    total = samples.total_variance or 1.0
    problem = {"x": jnp.asarray(samples.x), "y": jnp.asarray(samples.y), "sizes": network.sizes,
               "activation": network.activation}
    theta = flatten(network.weights, network.biases)
    loss, gradient = _loss_and_gradient(theta, **problem)
    preconditioner = _Preconditioner(network, samples.x)
    damping, losses = max(float(loss) / total, _LEAST_DAMPING), [float(loss)]
    while len(losses) <= _STEPS and loss > samples.floor * total:
        preconditioner.factorise(damping)
        move, spent = _step(theta, gradient, preconditioner, damping, problem)
        lost, slope = _loss_and_gradient(theta + move, **problem)
        if lost < loss:
            damping *= 0.1 if lost < 0.3 * loss else 1.0
            theta, loss, gradient = theta + move, lost, slope
            if spent == _INNER:
                preconditioner = _Preconditioner(network_from(theta, network), samples.x)
        else:
            damping *= 10.0
        damping = max(damping, _LEAST_DAMPING)
        losses.append(float(loss))
        if len(losses) > _PATIENCE and not losses[-1] < _FALL * losses[-1 - _PATIENCE]:
            break
    return network_from(theta, network), float(loss) / total, len(losses) - 1


class _Preconditioner:
    """J'J scaled to a diagonal of ones, and a factorisation of it with damping."""

    def __init__(self, network: Network, x: np.ndarray) -> None:
        self.matrix = normal_matrix(network, x)
        scale = np.sqrt(np.diag(self.matrix))
        self.scale = np.where(scale > 0, scale, 1.0)
        self.matrix /= self.scale
        self.matrix /= self.scale[:, None]
        self.damping = 0.0

    def factorise(self, damping: float) -> None:
        """Make it one of ``J'J + damping diag(J'J)``; where rounding forbids, of more damping."""
        if self.damping and damping / _FAR <= self.damping <= damping * _FAR:
            return
        self.damping = damping
        while True:
            try:
                damped = self.matrix.copy()
                damped[np.diag_indices(len(damped))] += self.damping
                self._factor = cho_factor(damped, lower=True, overwrite_a=True, check_finite=False)
                return
            except np.linalg.LinAlgError:
                self.damping *= 10.0

    def solve(self, v: np.ndarray) -> np.ndarray:
        return cho_solve(self._factor, v / self.scale, check_finite=False) / self.scale


def _step(theta: jax.Array, gradient: jax.Array, preconditioner: _Preconditioner, damping: float, problem: dict
          ) -> tuple[jax.Array, int]:
    """The damped Gauss-Newton step by preconditioned conjugate gradients, and the iterations it took."""
    r = -np.asarray(gradient)
    move, z = np.zeros_like(r), preconditioner.solve(r)
    direction, size = z, float(r @ z)
    first, spent = size, 0
    while spent < _INNER and size > _INEXACT**2 * first:
        image = np.asarray(_product(theta, jnp.asarray(direction), **problem))
        image = image + damping * preconditioner.scale**2 * direction
        alpha = size / max(float(direction @ image), 1e-300)
        move, r = move + alpha * direction, r - alpha * image
        z = preconditioner.solve(r)
        size, old = float(r @ z), size
        direction = z + size / old * direction
        spent += 1
    return jnp.asarray(move), spent


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
def _product(theta: jax.Array, v: jax.Array, *, x: jax.Array, y: jax.Array, sizes: tuple[int, ...],
             activation: Activation) -> jax.Array:
    """``J'J v``."""
    def residual(t: jax.Array) -> jax.Array:
        return _residual(t, x, y, sizes, activation)

    return jax.vjp(residual, theta)[1](jax.jvp(residual, (theta,), (v,))[1])[0]
