"""Error bars of networks whose J'J has no room, or takes long: from random samples of what it would tell.

A random vector less what conjugate gradients find of it from its image under J'J is one along which no answer changes;
what they find from random errors of the answers has the covariance of the parameters (Papandreou and Yuille 2010,
Gaussian sampling by local perturbations). A few of both tell which parameters are determined, and how well to a fifth.
Directions that conjugate gradients have not reached count as not determined.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.error_bars import Determined, by_checked, canonical_parameters, variance_of_answers
from expandcluster.error_bars_large import changes
from expandcluster.expand.gauss_newton import activities, flatten, normal_product, sensitivities, unflatten
from expandcluster.expand.kronecker import Factors, first_moments, kronecker_factors, preconditioned
from expandcluster.expand.population import Samples
from expandcluster.identifiability import DEAD
from expandcluster.networks import Array, Network, forward
from expandcluster.precision import in_float64

__all__ = ["determined_by_few", "determined_sampled"]

_DRAWS = 16  # samples: bars are known to 18%
_ITERATIONS = 400  # of conjugate gradients, at most
_ENDS, _ROUGH = 1e-11, 1e-6  # of the first residual, in their norm, where they end; rough ones for error bars
_CLOSED = 1e-4  # where nothing is open: error bars of 784-128-10 would change by 0.4% to the end
_SAMPLES, _ANSWERS = 10, 5  # for each weight of a neuron, and for each parameter, are enough
_CHUNK = 2048  # inputs that are looked at together
_LOOKS, _GONE = 2, 1e-7  # so many random directions show whether any is open; of them so little is left where none is
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
    directions, errors = _draws(network, len(samples.x))
    variance = variance_of_answers(network, samples, noise, network.parameters)

    def tell(rows: np.ndarray) -> Determined:
        """By the same draws for any rows: only what others of them tell changes what is found."""
        seen = _Seen.of(network, samples.x[rows])
        start = jnp.asarray(directions / seen.scale)
        null = start - seen.solved(seen.images(start), _ENDS)
        root = seen.solved(seen.pulled_back(errors[:, rows]), _ROUGH)
        return Determined(network, seen.scale, seen.columns(null), seen.columns(root), variance, sampled=True)

    return by_checked(tell, samples, checked)


@in_float64
def determined_by_few(network: Network, samples: Samples, noise: float = 0.0) -> Determined | None:
    """As :func:`determined_sampled`, from no more of the samples, drawn at random, than tell of every parameter.

    The others only add to their number. Quick, as directions need not be followed once no parameter changes along what
    is left of them.

    Args:
        network: at a minimum of the loss.
        samples: queries ``(samples, inputs)`` and answers.
        noise: standard deviation of the answers' errors relative to their spread.

    Returns:
        ``None`` where these samples leave a parameter open, or conjugate gradients do.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(samples.x))[: _enough(network, samples.x)])
    directions, errors = _draws(network, len(rows))
    seen = _Seen.of(network, samples.x[rows])
    start = jnp.asarray(directions / seen.scale)
    follow = changes(functools.partial(canonical_parameters, activation=network.activation), network)
    usual, start = jnp.sqrt(jnp.mean(follow(start) ** 2, axis=0)), start[:_LOOKS]

    def closed(found: jax.Array) -> bool:
        return bool(jnp.all(jnp.abs(follow(start - found)) <= _GONE * usual))

    found = seen.solved(seen.images(start), 0.0, closed)
    if not closed(found):
        return None
    root = seen.solved(seen.pulled_back(errors), _CLOSED)
    freedom, more = (max(count * network.sizes[-1] - network.parameters, 1) for count in (len(rows), len(samples.x)))
    variance = variance_of_answers(network, samples, noise, network.parameters) * freedom / more
    return Determined(network, seen.scale, seen.columns(start - found), seen.columns(root), variance, sampled=True)


def _enough(network: Network, x: np.ndarray) -> int:
    """How many of the inputs tell of every neuron as often as it has weights, and more.

    So many that answers outnumber parameters, and that the effective number of those that tell of a neuron (Kish 1965,
    Survey sampling: few where it is rarely active) outnumbers its weights.
    """
    theta, shares = flatten(network.weights, network.biases), []
    parts = [_told(theta, jnp.asarray(x[start : start + _CHUNK]), sizes=network.sizes, activation=network.activation)
             for start in range(0, len(x), _CHUNK)]
    for weights, of_layer in zip(network.weights[:-1], zip(*parts, strict=True), strict=True):
        told = np.concatenate(of_layer, axis=1)
        each = np.sum(told**2, axis=1) / np.maximum(np.sum(told, axis=1) ** 2, 1e-300)  # 1 over the effective number
        shares.append(_SAMPLES * weights.shape[1] * float(each.max()))
    answers = -(-_ANSWERS * network.parameters // network.sizes[-1])
    return max(answers, math.ceil(min(max(shares), 1.0) * len(x)))


def _draws(network: Network, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Random directions ``(draws, parameters)`` and errors of the answers ``(draws, samples, outputs)``."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(_DRAWS, network.parameters)), rng.normal(size=(_DRAWS, samples, network.sizes[-1]))


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """A network behind inputs: products with its J'J and with what precedes conjugate gradients."""

    theta: jax.Array
    x: jax.Array
    shape: dict[str, Any]  # sizes and activation
    scale: np.ndarray  # of the parameters
    factors: Factors

    @classmethod
    def of(cls, network: Network, x: np.ndarray) -> _Seen:
        theta, inputs = flatten(network.weights, network.biases), jnp.asarray(x)
        shape: dict[str, Any] = {"sizes": network.sizes, "activation": network.activation}
        scale = np.asarray(jnp.sqrt(_diagonal(theta, inputs, **shape)))
        scale = np.where(scale > DEAD * scale.max(), scale, 1.0)
        return cls(theta, inputs, shape, scale, _factors(theta, inputs, first_moments(inputs), **shape))

    def images(self, v: jax.Array) -> jax.Array:
        """``J'J v`` of each row ``(draws, parameters)``."""
        return _images(self.theta, self.x, v, **self.shape)

    def pulled_back(self, errors: np.ndarray) -> jax.Array:
        """``J' e`` of each ``e (draws, samples, outputs)``."""
        return _pulled_back(self.theta, self.x, jnp.asarray(errors), **self.shape)

    def columns(self, v: jax.Array) -> np.ndarray:
        """Rows as columns of scaled parameters, whose outer products add up to their mean."""
        return np.asarray(v).T * self.scale[:, None] / np.sqrt(len(v))

    def solved(self, images: jax.Array, share: float, enough: Callable[[jax.Array], bool] = lambda found: False
               ) -> jax.Array:
        """Solutions ``(draws, parameters)`` of ``J'J v = image``, of each as far as it is reached from zero."""
        found, r = jnp.zeros_like(images), images
        direction = z = _preconditioned(r, self.factors, sizes=self.shape["sizes"])
        size = first = jnp.sum(r * z, axis=1)
        for _ in range(_ITERATIONS):
            image = self.images(direction)
            alpha = size / jnp.maximum(jnp.sum(direction * image, axis=1), 1e-300)
            found, r = found + alpha[:, None] * direction, r - alpha[:, None] * image
            z = _preconditioned(r, self.factors, sizes=self.shape["sizes"])
            size, old = jnp.sum(r * z, axis=1), size
            if bool(jnp.all(size <= share**2 * first)) or enough(found):
                break
            direction = z + (size / jnp.maximum(old, 1e-300))[:, None] * direction
        return found


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _images(theta: jax.Array, x: jax.Array, v: jax.Array, *, sizes: tuple[int, ...], activation: Activation
            ) -> jax.Array:
    return jax.vmap(lambda one: normal_product(theta, one, x, sizes, activation))(v)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _pulled_back(theta: jax.Array, x: jax.Array, errors: jax.Array, *, sizes: tuple[int, ...], activation: Activation
                 ) -> jax.Array:
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
def _told(theta: jax.Array, x: jax.Array, *, sizes: tuple[int, ...], activation: Activation) -> list[jax.Array]:
    """Squared derivatives of all answers by hidden preactivations: one array ``(neurons, inputs)`` for each layer."""
    _, slopes, _ = activities(theta, sizes, activation, x, None)
    deltas = sensitivities(unflatten(theta, sizes)[0], slopes, jnp.ones(len(x)))
    return [jnp.sum(delta**2, axis=0) for delta in deltas]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _diagonal(theta: jax.Array, x: jax.Array, *, sizes: tuple[int, ...], activation: Activation) -> jax.Array:
    """The diagonal of J'J ``(parameters,)``."""
    inputs, _, _ = activities(theta, sizes, activation, x, None)
    squares = [*_told(theta, x, sizes=sizes, activation=activation), jnp.ones((sizes[-1], len(x)))]
    return jnp.concatenate([(s @ (h**2).T).reshape(-1) for s, h in zip(squares, inputs, strict=True)])
