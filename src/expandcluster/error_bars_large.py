"""Error bars of a large network from given inputs: from the eigenvalues of J'J instead of the singular values of J.

J has as many rows as there are answers; J'J is found by symmetric updates, see normal_matrix.py. Its eigenvalues are
known to rounding errors of the largest only, so that directions along which answers change by less than 1e-7 of what
they change along others count as not determined. What the inputs determine of weights on the teacher's own
inputs follows from what they determine in coordinates along their principal axes.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from expandcluster.error_bars import LOOSE, by_layer, canonical_parameters, variance_of_answers
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.expand.normal_matrix import normal_matrix
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.precision import in_float64
from expandcluster.queries.coordinates import Coordinates

__all__ = ["large_error_bars"]

_NULL = 1e-14  # eigenvalues of the scaled matrix below this share of the largest are zero
_BATCH = 128  # directions followed at once


@in_float64
def large_error_bars(network: Network, where: Coordinates, samples: Samples, noise: float = 0.0,
                     lasting: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """One standard deviation of every parameter, in canonical form on the teacher's inputs.

    Args:
        network: on the coordinates, at a minimum of the loss.
        where: the coordinates, along the principal axes of the given inputs.
        samples: in coordinates.
        noise: standard deviation of the answers' errors relative to their spread.
        lasting: see :func:`expandcluster.error_bars.canonical_parameters`.

    Returns:
        Arrays shaped as ``W_1, b_1, W_2, ...``, NaN for undetermined parameters.
    """
    matrix = normal_matrix(network, samples.x)
    scale = np.sqrt(np.diag(matrix))
    dead = scale <= 1e-13 * scale.max()
    scale[dead] = 1.0
    matrix /= scale
    matrix /= scale[:, None]
    matrix[dead] = matrix[:, dead] = 0.0
    values, vectors = eigh(matrix, overwrite_a=True, check_finite=False)
    null = values <= _NULL * values[-1]
    vectors /= scale[:, None]  # to the network's own parameters
    spread = np.where(null, 0.0, 1.0 / np.sqrt(np.where(null, 1.0, values)))
    theta = flatten(network.weights, network.biases)
    canonical = functools.partial(_canonical, network, where, lasting)
    follow = jax.jit(jax.vmap(lambda v: jax.jvp(canonical, (theta,), (v,))[1]))
    size = len(np.asarray(follow(jnp.zeros((1, len(theta)))))[0])
    variance, loose, whole = np.zeros(size), np.zeros(size), np.zeros(size)
    for start in range(0, len(theta), _BATCH):
        part = slice(start, start + _BATCH)
        squares = np.asarray(follow(jnp.asarray(vectors[:, part].T))) ** 2
        variance += spread[part] ** 2 @ squares
        loose += null[part].astype(float) @ squares
        whole += squares.sum(axis=0)
    bars = np.sqrt(variance_of_answers(network, samples, noise, int((~null).sum())) * variance)
    bars[np.sqrt(loose) > LOOSE * np.sqrt(whole)] = np.nan
    arrays = by_layer(bars, (len(where.unit), *network.sizes[1:]))
    _mark_outside(arrays, where)
    return arrays


def _mark_outside(arrays: tuple[np.ndarray, ...], where: Coordinates) -> None:
    """Mark what the coordinates leave out: weights on inputs that are not in their span, and the biases with them."""
    if where.basis is None:
        return
    inside = np.sum(where.basis**2, axis=1)
    arrays[0][:, 1.0 - inside > LOOSE**2] = np.nan
    center = where.center / where.unit
    left = center - where.basis @ (where.basis.T @ center)
    if np.linalg.norm(left) > LOOSE * np.linalg.norm(center):
        arrays[1][:] = np.nan


def _canonical(network: Network, where: Coordinates, lasting: np.ndarray | None, theta: jax.Array) -> jax.Array:
    """Parameters on the teacher's inputs in canonical form."""
    weights, biases = unflatten(theta, network.sizes)
    weights[0], biases[0] = where.lift_layer(weights[0], biases[0])
    return canonical_parameters(weights, biases, network.activation, lasting)
