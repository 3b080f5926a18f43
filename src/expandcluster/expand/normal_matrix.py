"""The Gauss-Newton matrix J'J of one large network, on the host.

The first layer of a network on images holds nearly all parameters. Its block for neurons j, J is
``sum_n (sum_k delta[n, k, j] delta[n, k, J]) h[n] h[n]'`` and symmetric in the inputs too: samples of positive and of
negative factor are one symmetric rank-k update each, at half the cost of a product. Pairs share the cores, one
thread each: their weighing would leave all cores but one idle else.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cholesky, solve_triangular

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64
from expandcluster.threads import cores, one_thread

__all__ = ["factorised", "normal_matrix"]

_CHUNK = 4096  # samples at once
_BLOCK = 8192  # rows and columns of a matrix that are factorised at once


@in_float64
def normal_matrix(network: Network, x: np.ndarray) -> np.ndarray:
    """J'J ``(parameters, parameters)``: J are the derivatives of all answers by the parameters, see ``flatten``.

    Temporary arrays are those of 4,096 samples: their layer inputs, and their derivatives by the parameters above the
    first layer.

    Args:
        network: with at least one hidden layer.
        x: inputs ``(samples, inputs)``.
    """
    hidden, width = network.sizes[1], network.sizes[0] + 1
    above = flatten(network.weights[1:], network.biases[1:])
    first = hidden * width
    matrix = np.zeros((network.parameters, network.parameters))
    blocks = matrix[:first, :first].reshape(hidden, width, hidden, width)
    side = matrix[:first, first:].reshape(hidden, width, -1)
    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(x), _CHUNK):
            part = x[start : start + _CHUNK]
            h = np.concatenate([part, np.ones((len(part), 1))], axis=1)
            z = part @ network.weights[0].T + network.biases[0]
            delta, rest = (np.asarray(a) for a in _above(above, jnp.asarray(z), sizes=network.sizes[1:],
                                                         activation=network.activation))
            _add(pool, h, delta, rest, blocks, side)
            flat = rest.reshape(-1, rest.shape[2])
            matrix[first:, first:] += flat.T @ flat
    for j in range(hidden):
        for other in range(j):
            blocks[j, :, other] = blocks[other, :, j]
    matrix[first:, :first] = matrix[:first, first:].T
    return matrix


def _add(pool: ThreadPoolExecutor, h: np.ndarray, delta: np.ndarray, rest: np.ndarray, blocks: np.ndarray,
         side: np.ndarray) -> None:
    """Add what some samples tell of the first layer, ``blocks`` of one pair of neurons each, and ``side`` of one."""
    def add_pair(j: int, other: int) -> None:
        blocks[j, :, other] += _weighted_gram(h, np.einsum("nk,nk->n", delta[:, :, j], delta[:, :, other]))

    def add_side(j: int) -> None:
        side[j] += h.T @ np.einsum("nk,nkq->nq", delta[:, :, j], rest)

    list(pool.map(add_side, range(len(side))))
    list(pool.map(add_pair, *np.triu_indices(len(side))))


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


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _above(theta: jax.Array, z: jax.Array, *, sizes: tuple[int, ...], activation: Activation
           ) -> tuple[jax.Array, jax.Array]:
    """Derivatives of the answers by the first preactivations ``(samples, outputs, hidden)`` and by what lies above."""
    def answer(theta: jax.Array, z: jax.Array) -> jax.Array:
        weights, biases = unflatten(theta, sizes)
        return forward(weights, biases, activation, activation.function(z)[None])[0]

    return jax.vmap(jax.jacrev(answer, argnums=(1, 0)), in_axes=(None, 0))(theta, z)
