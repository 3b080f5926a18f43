"""The structured Gauss-Newton matrix against automatic differentiation, at many shapes and sample counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from expandcluster.activations import get_activation
from expandcluster.expand.gauss_newton import flatten, gram, loss, parameter_count, unflatten
from expandcluster.networks import forward, random_population
from expandcluster.precision import float64


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 2), (2, 7, 1), (4, 3, 5, 2), (2, 3, 4, 3, 1), (3, 6, 11)])
@pytest.mark.parametrize("samples", [1, 2, 17])
@pytest.mark.parametrize("activation", ["tanh", "g", "leaky_relu(0.1)"])
def test_gram_is_that_of_the_jacobian(sizes, samples, activation):
    act = get_activation(activation)
    rng = np.random.default_rng(samples)
    x, y = rng.normal(size=(samples, sizes[0])), rng.normal(size=(samples, sizes[-1]))
    student = random_population(sizes, 1, 3)
    present = np.ones(samples)
    present[samples // 2 :] = samples < 3  # padding must count for nothing
    with float64():
        theta = flatten([jnp.asarray(w[0]) for w in student.weights], [jnp.asarray(b[0]) for b in student.biases])

        def residual(theta):
            weights, biases = unflatten(theta, sizes)
            return ((forward(weights, biases, act, jnp.asarray(x)) - y) * present[:, None]).reshape(-1)

        jacobian = np.asarray(jax.jacrev(residual)(theta))
        lost, gradient, matrix = gram(theta, sizes, act, jnp.asarray(x), jnp.asarray(y), jnp.asarray(present))
        r = np.asarray(residual(theta))
        assert matrix.shape == (parameter_count(sizes),) * 2
        np.testing.assert_allclose(matrix, jacobian.T @ jacobian, atol=1e-11)
        np.testing.assert_allclose(gradient, jacobian.T @ r, atol=1e-11)
        np.testing.assert_allclose(lost, r @ r, rtol=1e-12)
        np.testing.assert_allclose(loss(theta, sizes, act, jnp.asarray(x), jnp.asarray(y), jnp.asarray(present)),
                                   r @ r, rtol=1e-12)


def test_flatten_and_unflatten_are_inverse():
    sizes = (3, 4, 2)
    student = random_population(sizes, 1, 0)
    with float64():
        weights, biases = unflatten(flatten([w[0] for w in student.weights], [b[0] for b in student.biases]), sizes)
    for a, b in zip([*weights, *biases], [*student.weights, *student.biases], strict=True):
        np.testing.assert_array_equal(a, b[0])
