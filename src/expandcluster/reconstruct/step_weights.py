"""The first weights on single inputs, from the answers to steps along each: the least-squares problems of lift.py.

Each input has a problem of its own, in as many unknowns as there are neurons. Gauss-Newton steps are solved for by a
Cholesky factorisation of J'J, which converges to what J itself says as long as rounding leaves J'J regular; where it
does not, by the singular values of J, which tell what the steps do not see. These take twenty times as long.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve

from expandcluster.activations import Activation
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["poorly_told", "weights_from_steps"]

_CHUNK = 128  # inputs solved for at once
_ITERATIONS, _ROUNDING = 12, 1e-15  # at most; an error of answers that is none
_MISFIT = 1e3  # times the usual squared errors of an input: steps over a kink may end elsewhere
_BLIND = 1e-9  # of the largest singular value: what the steps do not see
_SINGULAR = 1e-9  # a pivot of J'J, scaled to a diagonal of ones, from which on rounding does not matter

_Fit = tuple[jax.Array, jax.Array, jax.Array, jax.Array]  # weights of an input, share of the step, steps, whether done


@in_float64
def weights_from_steps(network: Network, preactivations: np.ndarray, steps: np.ndarray, y: np.ndarray,
                       start: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``(inputs, hidden)``, their standard deviations, NaN where the steps do not see them, and every input's
    squared errors.

    Args:
        network: on the students' coordinates.
        preactivations: of the base points ``(points, hidden)``.
        steps: widths of the steps ``(inputs, points)``.
        y: answers ``(inputs, points, outputs)``, NaN where there is none.
        start: first weights ``(inputs, hidden)``.
        noise: standard deviation of an answer's error.
    """
    def solved(which: np.ndarray, regular: bool) -> tuple[np.ndarray, ...]:
        chunks = -(-len(which) // _CHUNK)
        pad = which[np.minimum(np.arange(chunks * -(-len(which) // chunks)), len(which) - 1)]  # all of one size
        parts = [_solve_chunk(network.weights[1:], network.biases[1:], preactivations, noise, steps[rows], y[rows],
                              start[rows], activation=network.activation, regular=regular)
                 for rows in pad.reshape(chunks, -1)]
        return tuple(np.concatenate([np.asarray(p) for p in part])[: len(which)] for part in zip(*parts, strict=True))

    found, covariance, errors = solved(np.arange(len(start)), True)
    if (singular := np.flatnonzero(~np.isfinite(covariance).all(axis=1))).size:
        found[singular], covariance[singular], errors[singular] = solved(singular, False)
    usual = ~poorly_told(covariance, errors, noise)
    freedom = max(int(np.isfinite(y[usual]).sum()) - start[usual].size, 1)
    variance = np.maximum(max(noise**2, float(errors[usual].sum()) / freedom), np.where(usual, 0.0, errors))[:, None]
    return found, np.sqrt(variance * covariance), errors


def poorly_told(bars: np.ndarray, squares: np.ndarray, noise: float) -> np.ndarray:
    """Of which inputs ``(inputs,)`` the steps do not see every weight, or ended elsewhere, beyond a kink.

    Args:
        bars: errors of the weights ``(inputs, hidden)``, NaN where the steps do not see them.
        squares: squared errors of every input.
        noise: standard deviation of an answer's error.
    """
    return np.isnan(bars).any(axis=1) | ~(squares <= _MISFIT * max(float(np.median(squares)), noise**2))


@functools.partial(jax.jit, static_argnames=("activation", "regular"))
def _solve_chunk(weights: tuple[jax.Array, ...], biases: tuple[jax.Array, ...], preactivations: jax.Array,
                 noise: jax.Array, steps: jax.Array, y: jax.Array, start: jax.Array, *, activation: Activation,
                 regular: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """:func:`_solve_one` for some of the inputs at once."""
    one = functools.partial(_solve_one, weights, biases, activation=activation, regular=regular)
    return jax.vmap(one, in_axes=(None, None, 0, 0, 0))(preactivations, noise, steps, y, start)


def _solve_one(weights: tuple[jax.Array, ...], biases: tuple[jax.Array, ...], preactivations: jax.Array,
               noise: jax.Array, steps: jax.Array, y: jax.Array, u: jax.Array, *, activation: Activation,
               regular: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Gauss-Newton on the weights of one input ``(hidden,)``; also the diagonal of (J'J)^-1 and the squared error.

    A step that makes things worse is halved away: beyond a kink the linear model may be wrong. The last one promises
    to take no more than noise and rounding away.
    """
    told = jnp.isfinite(y).reshape(-1)
    target = jnp.where(told, y.reshape(-1), 0.0)
    least = noise**2 * jnp.sum(told) + _ROUNDING**2 * jnp.sum(target**2)
    step, covariance = (_step, _covariance) if regular else (_seen_step, _seen_covariance)

    def outputs(u: jax.Array) -> jax.Array:
        p = preactivations + steps[:, None] * u
        return jnp.where(told, forward(weights, biases, activation, activation(p)).reshape(-1), 0.0)

    def advance(state: _Fit) -> _Fit:
        u, size, count, _ = state
        residual = outputs(u) - target
        move, promised = step(jax.jacfwd(outputs)(u), residual)
        better = jnp.sum((outputs(u + size * move) - target) ** 2) < jnp.sum(residual**2)
        return (jnp.where(better, u + size * move, u), jnp.where(better, jnp.minimum(2.0 * size, 1.0), 0.5 * size),
                count + 1, ~(promised > least))

    u, *_ = jax.lax.while_loop(lambda state: (state[2] < _ITERATIONS) & ~state[3], advance,
                               (u, jnp.asarray(1.0), jnp.asarray(0), jnp.asarray(False)))
    return u, covariance(jax.jacfwd(outputs)(u)), jnp.sum((outputs(u) - target) ** 2)


def _factorised(jacobian: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Scales of the columns, and the factor of J'J of scaled ones; NaN where it is singular but for rounding."""
    scale = jnp.linalg.norm(jacobian, axis=0)
    scaled = jacobian / scale
    factor = jnp.linalg.cholesky(scaled.T @ scaled)
    return scale, jnp.where(jnp.min(jnp.diagonal(factor)) ** 2 > _SINGULAR, factor, jnp.nan)


def _step(jacobian: jax.Array, residual: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The Gauss-Newton step, and how much of the squared error it promises to take away."""
    scale, factor = _factorised(jacobian)
    slope = jacobian.T @ residual
    move = -cho_solve((factor, True), slope / scale) / scale
    return move, -slope @ move


def _covariance(jacobian: jax.Array) -> jax.Array:
    """The diagonal of (J'J)^-1."""
    scale, factor = _factorised(jacobian)
    root = jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(factor)), lower=True)
    return jnp.sum(root**2, axis=0) / scale**2


def _seen_step(jacobian: jax.Array, residual: jax.Array) -> tuple[jax.Array, jax.Array]:
    """As :func:`_step`, along directions that the steps see."""
    left, values, right = jnp.linalg.svd(jacobian, full_matrices=False)
    seen = values > _BLIND * values[0]
    part = jnp.where(seen, left.T @ residual, 0.0)
    return -right.T @ (part / jnp.where(seen, values, 1.0)), jnp.sum(part**2)


def _seen_covariance(jacobian: jax.Array) -> jax.Array:
    """As :func:`_covariance`; NaN for weights that the steps do not see."""
    _, values, right = jnp.linalg.svd(jacobian, full_matrices=False)
    seen = values > _BLIND * values[0]
    covariance = jnp.sum(jnp.where(seen, 1.0 / jnp.where(seen, values, 1.0) ** 2, 0.0)[:, None] * right**2, axis=0)
    blind = jnp.sum(jnp.where(seen[:, None], right**2, 0.0), axis=0) < 1.0 - 1e-9
    return jnp.where(blind | (len(values) < jacobian.shape[1]), jnp.nan, covariance)
