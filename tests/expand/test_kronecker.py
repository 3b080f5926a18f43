"""The factors against their definition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.expand.gauss_newton import flatten
from expandcluster.expand.kronecker import first_moments, kronecker_factors, preconditioned
from expandcluster.precision import float64


@pytest.mark.parametrize("sizes", [(3, 4, 2), (3, 4, 5, 2), (3, 4, 5, 3, 2)])
def test_factors_are_moments_of_inputs_and_of_derivatives_by_preactivations(sizes):
    network, rng, total = random_teacher(sizes, "tanh", 0), np.random.default_rng(1), 7.0
    x, lam = rng.normal(size=(50, 3)), 0.3
    layers = list(zip(network.weights, network.biases, strict=True))

    def outputs(shifts, x):
        h = x
        for (w, b), shift in zip(layers[:-1], shifts[:-1], strict=True):
            h = network.activation(w @ h + b + shift)
        return layers[-1][0] @ h + layers[-1][1] + shifts[-1]

    with float64():
        theta, given = flatten(network.weights, network.biases), jnp.asarray(x)
        factors = kronecker_factors(theta, given, first_moments(given), sizes, network.activation, total=total)
        slopes = jax.vmap(jax.jacobian(outputs), (None, 0))([jnp.zeros(n) for n in sizes[1:]], x)
        v = jnp.asarray(rng.normal(size=theta.shape))
        found = preconditioned(v, factors, sizes, lam)
        h, start = x, 0
        for (w, b), slope, (e_a, v_a, e_s, v_s) in zip(layers, slopes, factors, strict=True):
            ones = np.concatenate([h, np.ones((len(x), 1))], axis=1)
            a, s = ones.T @ ones, np.einsum("nki,nkj->ij", slope, slope) / (len(x) * total)
            np.testing.assert_allclose(v_a * e_a @ v_a.T, a, atol=1e-10)
            np.testing.assert_allclose(v_s * e_s @ v_s.T, s, atol=1e-12)
            end = start + len(b) * len(a)
            solved = np.linalg.solve(np.kron(s, a) + lam * np.eye(end - start), v[start:end])
            np.testing.assert_allclose(found[start:end], solved, atol=1e-9)
            h, start = np.asarray(network.activation(h @ w.T + b)), end
