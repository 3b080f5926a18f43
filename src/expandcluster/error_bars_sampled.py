"""Error bars of networks whose J'J has no room in memory: from random samples of what it would tell.

A random vector less what conjugate gradients find of it from its image under J'J is one along which no answer changes;
what they find from random errors of the answers has the covariance of the parameters (Papandreou and Yuille 2010,
Gaussian sampling by local perturbations). A few of both tell which parameters are determined, and how well to a fifth.
Directions that conjugate gradients have not reached count as not determined.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.error_bars import Determined, by_checked, variance_of_answers
from expandcluster.expand.gauss_newton import activities, flatten, normal_product, sensitivities, unflatten
from expandcluster.expand.kronecker import Factors, first_moments, kronecker_factors, preconditioned
from expandcluster.expand.population import Samples
from expandcluster.identifiability import DEAD
from expandcluster.networks import Array, Network, forward
from expandcluster.precision import in_float64

__all__ = ["determined_sampled"]

_DRAWS = 16  # samples: bars are known to 18%
_ITERATIONS = 400  # of conjugate gradients, at most
_ENDS, _ROUGH = 1e-11, 1e-6  # of the first residual, in their norm, where they end; rough ones for error bars
_LEAST = 1e-13  # of the largest eigenvalue of a factor: smaller ones are none
_NEVER = 1e100  # stands for them, so that nothing is found along them


@in_float64
def determined_sampled(network: Network, samples: Samples, noise: float = 0.0, *, checked: bool = False) -> Determined:
    """As :func:`expandcluster.error_bars.determined`, from random samples.

    Args:
        network: at a minimum of the loss.
        samples: queries ``(samples, inputs)`` and answers.
        noise: standard deviation of the answers' errors relative to their spread.
        checked: leave out samples that nothing checks.
    """
    rng, theta = np.random.default_rng(0), flatten(network.weights, network.biases)
    directions = rng.normal(size=(_DRAWS, len(theta)))
    errors = rng.normal(size=(_DRAWS, *samples.y.shape))
    variance = variance_of_answers(network, samples, noise, len(theta))
    shape: dict[str, Any] = {"sizes": network.sizes, "activation": network.activation}

    def tell(rows: np.ndarray) -> Determined:
        """By the same draws for any rows: only what others of them tell changes what is found."""
        x = jnp.asarray(samples.x[rows])
        scale = np.asarray(jnp.sqrt(_diagonal(theta, x, **shape)))
        scale = np.where(scale > DEAD * scale.max(), scale, 1.0)
        factors = _factors(theta, x, first_moments(x), **shape)
        null = jnp.asarray(directions / scale)
        null = null - _solve(_images(theta, x, null, **shape), theta, x, factors, _ENDS, **shape)
        root = _solve(_pulled_back(theta, x, jnp.asarray(errors[:, rows]), **shape), theta, x, factors, _ROUGH, **shape)
        return Determined(network, scale, np.asarray(null).T * scale[:, None] / np.sqrt(_DRAWS),
                          np.asarray(root).T * scale[:, None] / np.sqrt(_DRAWS), variance, sampled=True)

    return by_checked(tell, samples, checked)


def _solve(images: jax.Array, theta: jax.Array, x: jax.Array, factors: Factors, share: float, *,
           sizes: tuple[int, ...], activation: Activation) -> jax.Array:
    """Solutions ``(draws, parameters)`` of ``J'J v = image``, of each as far as it is reached from zero."""
    found, r = jnp.zeros_like(images), images
    direction = z = _preconditioned(r, factors, sizes=sizes)
    size = first = jnp.sum(r * z, axis=1)
    for _ in range(_ITERATIONS):
        image = _images(theta, x, direction, sizes=sizes, activation=activation)
        alpha = size / jnp.maximum(jnp.sum(direction * image, axis=1), 1e-300)
        found, r = found + alpha[:, None] * direction, r - alpha[:, None] * image
        z = _preconditioned(r, factors, sizes=sizes)
        size, old = jnp.sum(r * z, axis=1), size
        if bool(jnp.all(size <= share**2 * first)):
            break
        direction = z + (size / jnp.maximum(old, 1e-300))[:, None] * direction
    return found


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _images(theta: jax.Array, x: jax.Array, v: jax.Array, *, sizes: tuple[int, ...], activation: Activation
            ) -> jax.Array:
    """``J'J v`` of each row ``(draws, parameters)``."""
    return jax.vmap(lambda one: normal_product(theta, one, x, sizes, activation))(v)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _pulled_back(theta: jax.Array, x: jax.Array, errors: jax.Array, *, sizes: tuple[int, ...], activation: Activation
                 ) -> jax.Array:
    """``J' e`` of each ``e (draws, samples, outputs)``."""
    _, back = jax.vjp(lambda t: forward(*unflatten(t, sizes), activation, x), theta)
    return jax.vmap(lambda one: back(one)[0])(errors)


@functools.partial(jax.jit, static_argnames=("sizes",))
def _preconditioned(r: jax.Array, factors: Factors, *, sizes: tuple[int, ...]) -> jax.Array:
    return jax.vmap(lambda one: preconditioned(one, factors, sizes, 0.0))(r)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _factors(theta: jax.Array, x: jax.Array, first: tuple[jax.Array, jax.Array], *, sizes: tuple[int, ...],
             activation: Activation) -> Factors:
    """Those whose product is never solved along eigenvectors of no eigenvalue: there is but rounding."""
    def without_none(values: Array) -> jax.Array:
        return jnp.where(values > _LEAST * jnp.max(values), values, _NEVER)

    return [(without_none(a), a_vectors, without_none(s), s_vectors) for a, a_vectors, s, s_vectors in
            kronecker_factors(theta, x, first, sizes, activation)]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _diagonal(theta: jax.Array, x: jax.Array, *, sizes: tuple[int, ...], activation: Activation) -> jax.Array:
    """The diagonal of J'J ``(parameters,)``."""
    inputs, slopes, _ = activities(theta, sizes, activation, x, None)
    weights, _ = unflatten(theta, sizes)
    deltas = sensitivities(weights, slopes, jnp.ones(len(x)))
    squares = [jnp.sum(delta**2, axis=0) for delta in deltas] + [jnp.ones((sizes[-1], len(x)))]
    return jnp.concatenate([(s @ (h**2).T).reshape(-1) for s, h in zip(squares, inputs, strict=True)])
