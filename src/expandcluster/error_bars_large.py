"""Error bars of a large network from given inputs: from factorisations of J'J instead of the singular values of J.

J has as many rows as there are answers; J'J is found by symmetric updates, see normal_matrix.py. It is
known to rounding errors of its largest eigenvalue only, so that directions along which answers change by less than 1e-7
of what they change along others count as not determined. These are found by a Cholesky factorisation with
pivots, a tenth of the work of all eigenvalues (Higham 1990, Analysis of the Cholesky decomposition of a semi-definite
matrix). What the inputs determine of weights on the teacher's own inputs follows from what they determine in
coordinates along their principal axes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cho_solve, eigh, lapack, solve_triangular

from expandcluster.error_bars import (
    LOOSE,
    Determined,
    by_checked,
    by_layer,
    canonical_parameters,
    known_weights,
    scaled_by_outgoing,
    variance_of_answers,
)
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.expand.normal_matrix import factorised, normal_matrix
from expandcluster.expand.population import Samples
from expandcluster.identifiability import DEAD
from expandcluster.networks import Network
from expandcluster.precision import in_float64
from expandcluster.queries.coordinates import Coordinates

__all__ = ["changes", "determined_large", "large_error_bars"]

Linear = Callable[[jax.Array], jax.Array]

_NULL = 1e-14  # eigenvalues of the scaled matrix below this share of the largest are zero
_LEAST = 1e-15  # added to the diagonal of ones, and ten times more where rounding forbids a factorisation
_BATCH = 128  # directions followed at once
_COLUMNS = 1024  # of a matrix changed at once
_LOOKS, _BLOCK, _ROUNDS = 8, 32, 10  # for directions that the pivots did not show: how often, for how many, how closely


@in_float64
def determined_large(network: Network, samples: Samples, noise: float = 0.0, *, checked: bool = False) -> Determined:
    """As :func:`expandcluster.error_bars.determined`, from J'J.

    Args:
        network: at a minimum of the loss.
        samples: queries ``(samples, inputs)`` and answers.
        noise: standard deviation of the answers' errors relative to their spread.
        checked: leave out samples that nothing checks.
    """
    def tell(rows: np.ndarray) -> Determined:
        # What needs checking are given inputs, which leave many directions open.
        scale, null, root = _decomposed(network, samples.x[rows], many=checked)
        return Determined(network, scale, null, root,
                          variance_of_answers(network, samples, noise, len(scale) - null.shape[1]))

    return by_checked(tell, samples, checked)


@in_float64
def large_error_bars(known: Determined, where: Coordinates, lasting: np.ndarray | None = None
                     ) -> tuple[np.ndarray, ...]:
    """One standard deviation of every parameter, in canonical form on the teacher's inputs.

    Args:
        known: what samples determine of a network on the coordinates.
        where: the coordinates, along the principal axes of the given inputs.
        lasting: see :func:`expandcluster.error_bars.canonical_parameters`.

    Returns:
        Arrays shaped as ``W_1, b_1, W_2, ...``, NaN for undetermined parameters.
    """
    network = known.network
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(len(known.scale), _BATCH)) / np.sqrt(_BATCH)

    def squares(follow: Linear, directions: np.ndarray) -> np.ndarray:
        """Squared changes along columns, in the scaled parameters, summed over these."""
        total = np.zeros(())
        for start in range(0, directions.shape[1], _BATCH):
            part = directions[:, start : start + _BATCH]
            part = np.pad(part.T / known.scale, ((0, _BATCH - part.shape[1]), (0, 0)))  # one size, so one program
            total = total + np.sum(np.asarray(follow(jnp.asarray(part))) ** 2, axis=0)
        return total

    def loose(follow: Linear) -> np.ndarray:
        """Which changes more along the null space than by rounding; along all parameters by random signs, to 12%."""
        return np.asarray(np.sqrt(squares(follow, known.null)) > LOOSE * np.sqrt(squares(follow, signs)))

    if network.activation.symmetry.homogeneous:
        weights = loose(changes(scaled_by_outgoing, network, where))
        lasting = known_weights(weights.reshape(network.sizes[1], -1), lasting)
    follow = changes(functools.partial(canonical_parameters, activation=network.activation, lasting=lasting), network,
                     where)
    bars = np.sqrt(known.variance * squares(follow, known.root))
    bars[loose(follow)] = np.nan
    arrays = by_layer(bars, (len(where.unit), *network.sizes[1:]))
    _mark_outside(arrays, where)
    return arrays


def _decomposed(network: Network, x: np.ndarray, *, many: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales of the parameters, null space of the scaled J'J, as far as rounding shows it, and a root of its inverse.

    The root's columns add up to the pseudo-inverse. No more than two matrices of that size are held at once. Pivots
    come first where ``many`` directions are expected, else once a look without them has found as many as it can.
    """
    matrix = normal_matrix(network, x)
    scale = np.sqrt(np.diag(matrix))
    dead = scale <= DEAD * scale.max()
    scale[dead] = 1.0
    matrix /= scale
    matrix /= scale[:, None]
    matrix[dead] = matrix[:, dead] = 0.0
    rng = np.random.default_rng(0)
    v = rng.normal(size=len(matrix))
    for _ in range(_ROUNDS):
        v = matrix @ (v / np.linalg.norm(v))
    least = _NULL * float(np.linalg.norm(v))
    null = _pivoted(matrix, least) if many else np.zeros((len(matrix), 0))
    _add_squares(matrix, null)
    factor, _ = factorised(matrix, _LEAST)
    for _ in range(_LOOKS):
        more = _missed(matrix, null, factor, least, rng)
        if not more.size:
            break
        complete = more.shape[1] < _BLOCK
        if not (many or complete):
            more, many = _pivoted(matrix, least), True
        null = np.concatenate([null, more], axis=1)
        _add_squares(matrix, more)
        del factor
        factor, _ = factorised(matrix, _LEAST)
        if complete:
            break
    del matrix
    root = lapack.dtrtri(factor, lower=1, overwrite_c=1)[0].T
    del factor
    for start in range(0, root.shape[1], _COLUMNS):
        part = root[:, start : start + _COLUMNS]
        part -= null @ (null.T @ part)
    return scale, null, root


def _add_squares(matrix: np.ndarray, columns: np.ndarray) -> None:
    """Make the matrix one along orthonormal columns that it is zero along."""
    for start in range(0, len(matrix), _COLUMNS):
        matrix[start : start + _COLUMNS] += columns[start : start + _COLUMNS] @ columns.T


def _pivoted(matrix: np.ndarray, least: float) -> np.ndarray:
    """Orthonormal columns ``(parameters, directions)`` along which the matrix has no pivot larger than ``least``."""
    factor, order, rank, _ = lapack.dpstrf(matrix, tol=least, lower=1)
    above = solve_triangular(factor[:rank, :rank], factor[rank:, :rank].T, lower=True, trans="T", check_finite=False)
    null = np.zeros((len(matrix), len(matrix) - rank))
    null[order - 1] = np.concatenate([-above, np.eye(len(matrix) - rank)])
    return np.asarray(np.linalg.qr(null)[0])


def _missed(matrix: np.ndarray, null: np.ndarray, factor: np.ndarray, least: float, rng: np.random.Generator
            ) -> np.ndarray:
    """Further directions of eigenvalues of at most ``least``, whose pivots were larger; as many as are looked for."""
    block = np.linalg.qr(rng.normal(size=(len(matrix), min(_BLOCK, len(matrix)))))[0]
    for _ in range(_ROUNDS):
        block = cho_solve((factor, True), block, check_finite=False)
        block = np.linalg.qr(block - null @ (null.T @ block))[0]
    values, turn = eigh(block.T @ matrix @ block)
    return np.asarray(block @ turn[:, values <= least])


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


def changes(function: Callable[[list[jax.Array], list[jax.Array]], jax.Array], network: Network,
            where: Coordinates | None = None) -> Linear:
    """Changes of what is made of weights and biases, along rows ``(directions, parameters)`` of the network's.

    Args:
        function: of weights and biases.
        network: at which they are changed.
        where: its coordinates, for what is made of those on the teacher's inputs.
    """
    theta = flatten(network.weights, network.biases)

    def made(theta: jax.Array) -> jax.Array:
        weights, biases = unflatten(theta, network.sizes)
        if where is not None:
            weights[0], biases[0] = where.lift_layer(weights[0], biases[0])
        return function(weights, biases).reshape(-1)

    return jax.jit(jax.vmap(lambda v: jax.jvp(made, (theta,), (v,))[1]))
