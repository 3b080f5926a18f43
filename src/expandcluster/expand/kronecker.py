"""Kronecker factors of J'J: what precedes conjugate gradients where J'J is too large to be made.

J'J is nearly block diagonal with one block for each layer, the Kronecker product of A, the second moments of the
layer's inputs, and S, those of the derivatives of the outputs by its preactivations (Martens and Grosse 2015).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import activities, sensitivities, unflatten
from expandcluster.networks import Array

__all__ = ["Eigen", "Factors", "first_moments", "kronecker_factors", "preconditioned"]

Eigen = tuple[Array, Array]  # values and vectors
Factors = list[tuple[Array, Array, Array, Array]]  # eigenvalues and vectors of A and S of each layer


def first_moments(x: jax.Array) -> Eigen:
    """Eigenvalues and vectors of the second moments of inputs ``(samples, inputs)`` with ones appended."""
    rows = jnp.concatenate([x, jnp.ones((len(x), 1))], axis=1)
    return _eigen(rows.T @ rows)


def kronecker_factors(theta: jax.Array, x: jax.Array, first: Eigen, sizes: Sequence[int], activation: Activation,
                      sharpness: jax.Array | None = None, total: Array | float = 1.0) -> Factors:
    """Eigenvalues and vectors of both factors of each layer's block of J'J.

    Args:
        theta: parameters, see ``flatten``.
        x: inputs ``(samples, inputs)``.
        first: their :func:`first_moments`, which never change.
        sizes: of the layers.
        activation: of the hidden layers.
        sharpness: of its smooth stand-in.
        total: what squared errors are divided by.
    """
    inputs, slopes, _ = activities(theta, sizes, activation, x, sharpness)
    weights, _ = unflatten(theta, sizes)
    unit = len(x) * total
    outer = [_squares(delta) for delta in sensitivities(weights, slopes, jnp.ones(len(x)))[:-1]]
    # That of the last hidden layer needs no array of outputs x neurons x samples.
    outer.append((weights[-1].T @ weights[-1]) * (slopes[-1] @ slopes[-1].T))
    a = [first, *(_eigen(h @ h.T) for h in inputs[1:])]
    s = [*(_eigen(squares / unit) for squares in outer), (jnp.full(sizes[-1], 1.0 / total), jnp.eye(sizes[-1]))]
    return [(jnp.maximum(e_a, 0.0), v_a, jnp.maximum(e_s, 0.0), v_s)
            for (e_a, v_a), (e_s, v_s) in zip(a, s, strict=True)]


def preconditioned(v: jax.Array, factors: Factors, sizes: Sequence[int], lam: Array | float) -> jax.Array:
    """``(A x S + lam I)^-1 v``, layer by layer."""
    parts, start = [], 0
    for (into, out), (e_a, v_a, e_s, v_s) in zip(itertools.pairwise(sizes), factors, strict=True):
        block = v[start : start + out * (into + 1)].reshape(out, into + 1)
        turned = v_s.T @ block @ v_a / (e_s[:, None] * e_a[None, :] + lam)
        parts.append((v_s @ turned @ v_a.T).reshape(-1))
        start += block.size
    return jnp.concatenate(parts)


def _squares(delta: jax.Array) -> jax.Array:
    """Sum over outputs and samples of products of pairs of neurons, of ``delta (outputs, neurons, samples)``."""
    flat = delta.transpose(1, 0, 2).reshape(delta.shape[1], -1)
    return flat @ flat.T


def _eigen(matrix: jax.Array) -> Eigen:
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors
