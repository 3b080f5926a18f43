"""The Gauss-Newton matrix J'J of one large network, on the host.

The derivative of an answer by a weight is that by the neuron's preactivation, delta, times an input of its layer, h.
The block of J'J for neuron i of one layer and neuron j of another, whose inputs are g, is
``sum_n (sum_k delta[n, k, i] delta[n, k, j]) h[n] g[n]'``. Within a layer it is symmetric in the inputs too: samples of
positive and of negative factor are one symmetric rank-k update each, at half the cost of a product. Pairs of neurons
share the cores, one thread each: their weighing would leave all cores but one idle else.
"""

from __future__ import annotations

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cholesky, solve_triangular

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import activities, flatten, sensitivities, unflatten
from expandcluster.networks import Network
from expandcluster.precision import in_float64
from expandcluster.threads import cores, one_thread

__all__ = ["factorised", "normal_matrix"]

_CHUNK = 4096  # samples at once
_BLOCK = 8192  # rows and columns of a matrix that are factorised at once


@in_float64
def normal_matrix(network: Network, x: np.ndarray) -> np.ndarray:
    """J'J ``(parameters, parameters)``: J are the derivatives of all answers by the parameters, see ``flatten``.

    Temporary arrays are those of 4,096 samples: the inputs of layers, and the derivatives of answers by preactivations.

    Args:
        network: with at least one hidden layer.
        x: inputs ``(samples, inputs)``.
    """
    theta = flatten(network.weights, network.biases)
    layers = [(out, into + 1) for into, out in itertools.pairwise(network.sizes)]
    starts = np.cumsum([0, *(out * width for out, width in layers)])
    parts = [slice(start, end) for start, end in itertools.pairwise(starts)]
    matrix = np.zeros((network.parameters, network.parameters))
    pairs = list(itertools.combinations_with_replacement(range(len(layers)), 2))
    blocks = {(low, up): matrix[parts[low], parts[up]].reshape(*layers[low], *layers[up]) for low, up in pairs}
    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(x), _CHUNK):
            inputs, deltas = (list(map(np.asarray, part)) for part in _layers(
                theta, jnp.asarray(x[start : start + _CHUNK]), sizes=network.sizes, activation=network.activation))
            for low, up in pairs:
                _add(pool, blocks[low, up], inputs[low], inputs[up], deltas[low], deltas[up])
    for low, up in pairs:
        if low != up:
            matrix[parts[up], parts[low]] = matrix[parts[low], parts[up]].T
        else:
            for i, j in itertools.combinations(range(layers[low][0]), 2):
                blocks[low, low][j, :, i] = blocks[low, low][i, :, j]
    return matrix


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _layers(theta: jax.Array, x: jax.Array, *, sizes: tuple[int, ...], activation: Activation
            ) -> tuple[list[jax.Array], list[jax.Array]]:
    """Inputs ``(samples, inputs + 1)`` of each layer, derivatives of answers ``(neurons, samples, outputs)`` by it."""
    inputs, slopes, _ = activities(theta, sizes, activation, x, None)
    deltas = sensitivities(unflatten(theta, sizes)[0], slopes, jnp.ones(len(x)))
    answers = jnp.repeat(jnp.eye(sizes[-1])[:, None], len(x), axis=1)
    return [h.T for h in inputs], [*(delta.transpose(1, 2, 0) for delta in deltas), answers]


def _add(pool: ThreadPoolExecutor, block: np.ndarray, h: np.ndarray, g: np.ndarray, delta: np.ndarray,
         above: np.ndarray) -> None:
    """Add what some samples tell of two layers, or of one."""
    same = delta is above

    def add(i: int, j: int) -> None:
        factor = np.einsum("nk,nk->n", delta[i], above[j])
        if same:
            block[i, :, j] += _weighted_gram(h, factor)
        else:
            block[i, :, j] += h.T @ (g * factor[:, None])

    pairs = np.triu_indices(len(delta)) if same else np.indices((len(delta), len(above))).reshape(2, -1)
    list(pool.map(add, *pairs))


def factorised(matrix: np.ndarray, added: float, along: np.ndarray | float = 1.0) -> tuple[np.ndarray, float]:
    """Lower Cholesky factor of ``matrix + added diag(along)``; of ten times more, and so on, where rounding forbids it.

    Also how much was added in the end. The matrix is symmetric.
    """
    while True:
        try:
            regular = matrix.copy().T  # the same, in the order of LAPACK, which would copy it again
            regular[np.diag_indices(len(regular))] += added * along
            _cholesky(regular)
            return regular, added
        except np.linalg.LinAlgError:
            added *= 10.0


def _cholesky(matrix: np.ndarray) -> None:
    """Lower Cholesky factor in the place of a symmetric matrix.

    In blocks: OpenBLAS on several threads ends in a segmentation fault where a matrix is too large for its buffers,
    which one of 17,000 rows is not, and one of 23,000 is.
    """
    count = len(matrix)
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        factor = cholesky(matrix[start:end, start:end], lower=True, check_finite=False)
        matrix[start:end, start:end] = factor
        matrix[start:end, end:] = 0.0
        below = [slice(row, min(row + _BLOCK, count)) for row in range(end, count, _BLOCK)]
        for rows in below:
            matrix[rows, start:end] = solve_triangular(factor, matrix[rows, start:end].T, lower=True,
                                                       check_finite=False).T
        for place, rows in enumerate(below):
            for columns in below[: place + 1]:
                matrix[rows, columns] -= matrix[rows, start:end] @ matrix[columns, start:end].T


def _weighted_gram(h: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """``h' diag(factor) h``."""
    total = np.zeros((h.shape[1], h.shape[1]))
    for sign in (1.0, -1.0):
        rows = np.flatnonzero(sign * factor > 0)
        if len(rows):
            scaled = h[rows] * np.sqrt(sign * factor[rows])[:, None]
            total += sign * (scaled.T @ scaled)  # NumPy makes this a symmetric rank-k update
    return total
