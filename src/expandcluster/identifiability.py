"""What samples determine: the singular values of a network's Jacobian, and the directions they leave open."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import flatten, network_from, unflatten
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["DEAD", "Spectrum", "analyse", "jacobians", "open_variants"]

_NULL = 1e-11  # singular values of the scaled Jacobian below this share of the largest are zero
DEAD = 1e-13  # columns below this share of the largest are zero
_ON_KINK = 1e-7  # of a neuron's typical preactivation


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Singular values of the Jacobian of all answers by all parameters, its columns scaled to unit norm.

    Attributes:
        theta: the parameters, ``(parameters,)``, as ``flatten`` lays them out.
        column: norm of each column, 1 for columns that are zero, ``(parameters,)``.
        values: singular values of the scaled Jacobian, ``(parameters,)``.
        directions: right singular vectors as rows, ``(parameters, parameters)``, in scaled parameters.
        null: which directions change no answer, ``(parameters,)``.
    """

    theta: jax.Array
    column: np.ndarray
    values: np.ndarray
    directions: np.ndarray
    null: np.ndarray


@in_float64
def analyse(network: Network, x: np.ndarray) -> Spectrum:
    """The spectrum of a network on inputs ``(samples, inputs)``."""
    theta = flatten(network.weights, network.biases)
    triangle = _triangle(network, theta, x[_off_kinks(network, x)])
    column = np.linalg.norm(triangle, axis=0)
    column[column <= DEAD * column.max(initial=0.0)] = 0.0
    scaled = triangle * (1.0 / np.where(column > 0, column, np.inf))
    column[column == 0.0] = 1.0
    _, values, directions = np.linalg.svd(scaled)
    values = np.concatenate([values, np.zeros(len(theta) - len(values))])
    return Spectrum(theta, column, values, directions, values <= _NULL * max(values[0], 1e-300))


@in_float64
def open_variants(network: Network, x: np.ndarray, most: int, size: float = 0.3) -> list[Network]:
    """Networks that differ along directions which the samples leave open, both ways.

    Args:
        network: at a minimum of the loss.
        x: inputs of the samples ``(samples, inputs)``.
        most: directions at most.
        size: largest change of a parameter over the root mean square of all.
    """
    spectrum = analyse(network, x)
    unit = size * float(jnp.sqrt(jnp.mean(spectrum.theta**2)))
    variants = []
    for row in spectrum.directions[spectrum.null][:most]:
        step = row / spectrum.column
        step = step * unit / np.abs(step).max()
        for way in (step, -step):
            variants.append(network_from(spectrum.theta + way, network))
    return variants


def _off_kinks(network: Network, x: np.ndarray) -> np.ndarray:
    """Samples at which no neuron sits on its kink.

    Fine-tuning may push a neuron just to the edge of a sample at which it must be silent: the
    derivative there says nothing about its weights.
    """
    if network.activation.negative_slope is None:
        return np.arange(len(x))
    clear, h = np.ones(len(x), bool), x
    for w, b in zip(network.weights[:-1], network.biases[:-1], strict=True):
        z = h @ w.T + b
        clear &= (np.abs(z) > _ON_KINK * np.sqrt(np.mean(z**2, axis=0))).all(axis=1)
        h = network.activation.on_host(z)[0]
    return np.flatnonzero(clear)


def _triangle(network: Network, theta: jax.Array, x: np.ndarray) -> np.ndarray:
    """The factor R of the Jacobian ``(samples * outputs, parameters)``, a chunk of samples at a time."""
    chunk = max(64, 4 * len(theta) // network.sizes[-1])
    triangle: np.ndarray = np.zeros((0, len(theta)))
    for rows in jacobians(network, x, chunk):
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows.reshape(-1, len(theta))]), mode="r"))
    return triangle


def jacobians(network: Network, x: np.ndarray, chunk: int) -> Iterator[np.ndarray]:
    """Derivatives ``(at most chunk, outputs, parameters)`` of the answers by the parameters, chunk after chunk.

    To be used :func:`expandcluster.precision.in_float64`.
    """
    theta = flatten(network.weights, network.biases)
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        filled = np.concatenate([part, np.repeat(part[:1], chunk - len(part), axis=0)])  # one shape, one program
        yield np.asarray(_jacobian(theta, filled, sizes=network.sizes, activation=network.activation))[: len(part)]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _jacobian(theta: jax.Array, x: jax.Array, *, sizes: tuple[int, ...], activation: Activation) -> jax.Array:
    """Derivatives ``(samples, outputs, parameters)`` of the answers."""
    def one(theta: jax.Array, row: jax.Array) -> jax.Array:
        weights, biases = unflatten(theta, sizes)
        return forward(weights, biases, activation, row[None])[0]

    return jax.vmap(jax.jacrev(one), in_axes=(None, 0))(theta, x)
