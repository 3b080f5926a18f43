"""Answers that a neuron explains which is off there in the network found, but may be on.

A Jacobian says nothing of neurons that are off. Where the samples leave open what such a neuron's preactivation is at
another input, it may be on there, and the answer then differs by its outgoing weights times a positive number.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import nnls

from expandcluster.activations import Activation
from expandcluster.error_bars import LOOSE, Determined
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.precision import in_float64

__all__ = ["explained_by_open_kinks"]

_LEFT = 1e-3  # of an error may be left when it is explained; or so many standard deviations of an answer
_DEVIATIONS = 5.0


@in_float64
def explained_by_open_kinks(known: Determined, x: np.ndarray, rests: np.ndarray) -> np.ndarray:
    """Which errors are those of neurons that are off, but on as far as the samples tell.

    Fewer neurons than outputs must do: more explain everything.

    Args:
        known: what the samples determine.
        x: inputs ``(rows, inputs)`` of the network.
        rests: their answers less those of the network ``(rows, outputs)``.

    Returns:
        ``(rows,)``; none of an activation that is not flat where it is off, whose Jacobian tells.
    """
    network = known.network
    explained = np.zeros(len(x), bool)
    if network.activation.negative_slope != 0:
        return explained
    theta = flatten(network.weights, network.biases)
    noise = _DEVIATIONS * np.sqrt(known.variance * network.sizes[-1])
    for n in np.flatnonzero(np.linalg.norm(rests, axis=1) > noise):
        z, effects, slopes = map(np.asarray, _neurons(theta, x[n], network.sizes, network.activation))
        slopes = slopes / known.scale
        open_ = np.linalg.norm(slopes @ known.null, axis=1) > LOOSE * np.linalg.norm(slopes, axis=1)
        may = (z <= 0) & open_ & effects.any(axis=0)
        if 0 < np.count_nonzero(may) < len(effects):
            left = nnls(effects[:, may], rests[n])[1]
            explained[n] = left <= max(noise, _LEFT * np.linalg.norm(rests[n]))
    return explained


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _neurons(theta: jax.Array, x: jax.Array, sizes: tuple[int, ...], activation: Activation
             ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Preactivations ``(hidden,)``, what activities add to outputs ``(outputs, hidden)``, and slopes.

    Slopes ``(hidden, parameters)`` are those of preactivations times the size of what activities add: no rescaling of
    neurons changes these. Hidden neurons are those of all layers, one after the other.
    """
    def run(theta: jax.Array, added: jax.Array) -> tuple[jax.Array, jax.Array]:
        weights, biases = unflatten(theta, sizes)
        h, all_z, start = x, [], 0
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            z = w @ h + b
            h = activation.function(z) + added[start : start + len(b)]
            start += len(b)
            all_z.append(z)
        return weights[-1] @ h + biases[-1], jnp.concatenate(all_z)

    def effects(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jacfwd(functools.partial(run, theta), has_aux=True)(jnp.zeros(sum(sizes[1:-1])))

    def scaled(theta: jax.Array) -> jax.Array:
        adds, z = effects(theta)
        return z * jnp.linalg.norm(adds, axis=0)

    adds, z = effects(theta)
    return z, adds, jax.jacrev(scaled)(theta)
