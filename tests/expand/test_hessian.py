"""The Hessian from the layer structure against automatic differentiation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from expandcluster.activations import get_activation
from expandcluster.expand.gauss_newton import flatten, loss
from expandcluster.expand.hessian import hessian
from expandcluster.networks import random_population
from expandcluster.precision import float64


@pytest.mark.parametrize(("sizes", "activation", "sharpness"), [
    ((3, 5, 2), "g", None), ((4, 3, 5, 2), "tanh", None), ((2, 3, 4, 3, 1), "tanh", None), ((3, 4, 1), "relu", 5.0),
    ((3, 2), "tanh", None),
])
def test_hessian_is_that_of_the_loss(sizes, activation, sharpness):
    act = get_activation(activation)
    rng = np.random.default_rng(0)
    x, y, present = rng.normal(size=(17, sizes[0])), rng.normal(size=(17, sizes[-1])), np.ones(17)
    present[11:] = 0  # padding must count for nothing
    student = random_population(sizes, 1, 3)
    with float64():
        theta = flatten([jnp.asarray(w[0]) for w in student.weights], [jnp.asarray(b[0]) for b in student.biases])
        rest = (sizes, act, jnp.asarray(x), jnp.asarray(y), jnp.asarray(present), sharpness)

        def both(theta):
            def half(theta):
                return 0.5 * loss(theta, *rest)
            return hessian(theta, *rest), (2 * half(theta), jax.grad(half)(theta), jax.hessian(half)(theta))

        found, expected = jax.jit(both)(theta)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)
