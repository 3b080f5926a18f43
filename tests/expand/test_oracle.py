"""Loss, gradient and Gauss-Newton matrix against plain loops in NumPy, at many sample counts and depths.

Errors of chunking and padding show at some counts only: chunks here hold at most 64 samples.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from expandcluster.activations import get_activation
from expandcluster.expand.each_student import chunks
from expandcluster.expand.gauss_newton import flatten, gram
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.objective import mean_squared_error
from expandcluster.expand.population import Samples
from expandcluster.networks import random_population
from expandcluster.options import LMOptions
from expandcluster.precision import float64

SHALLOW, DEEP, DEEPER = (3, 4, 2), (2, 3, 2, 1), (2, 2, 3, 2, 2)
CASES = [*((SHALLOW, n) for n in (1, 2, 3, 5, 7, 16, 17, 63, 64, 65, 100, 257, 1000)),
         *((DEEP, n) for n in (1, 64, 65, 257)), *((DEEPER, n) for n in (3, 63, 129))]


def tanh(z):
    """The activation and its slope."""
    return np.tanh(z), 1 / np.cosh(z) ** 2


def by_loops(weights, biases, x, y):
    """Sum of squares, half its gradient and J'J: one sample, one output, one layer after the other."""
    sum_of_squares, gradient, matrix = 0.0, 0.0, 0.0
    for sample, answer in zip(x, y, strict=True):
        inputs, slopes, h = [], [], sample
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            inputs.append(h)
            h, slope = tanh(w @ h + b)
            slopes.append(slope)
        inputs.append(h)
        out = weights[-1] @ h + biases[-1]
        for k in range(len(out)):
            back, rows = np.eye(len(out))[k], []
            for layer in reversed(range(len(weights))):
                rows.insert(0, np.concatenate([np.outer(back, inputs[layer]), back[:, None]], axis=1).ravel())
                if layer:
                    back = (weights[layer].T @ back) * slopes[layer - 1]
            row = np.concatenate(rows)
            residual = out[k] - answer[k]
            sum_of_squares += residual**2
            gradient = gradient + residual * row
            matrix = matrix + np.outer(row, row)
    return sum_of_squares, gradient, matrix


@functools.cache
def problem(sizes, n):
    rng = np.random.default_rng(n)
    student = random_population(sizes, 1, n)
    samples = Samples(rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1])))
    return student, samples, by_loops([w[0] for w in student.weights], [b[0] for b in student.biases],
                                      samples.x, samples.y)


@pytest.mark.parametrize(("sizes", "n"), CASES)
def test_loss_gradient_and_gauss_newton_matrix(sizes, n):
    student, samples, (lost, gradient, matrix) = problem(sizes, n)
    act = get_activation("tanh")
    with float64():
        theta = flatten([jnp.asarray(w[0]) for w in student.weights], [jnp.asarray(b[0]) for b in student.biases])
        parts = chunks(samples, sizes, memory=1)
        assert parts.x.shape[0] == -(-n // 64) and int(parts.present.sum()) == n
        mse = mean_squared_error(parts, jnp.ones_like(theta), sizes=sizes, activation=act)

        def both(theta):
            sums = jax.vmap(lambda *chunk: gram(theta, sizes, act, *chunk))(*parts)
            return jax.tree.map(lambda a: jnp.sum(a, axis=0), sums), mse.gradient(theta)

        (found, *halves), (mean, slope) = jax.jit(both)(theta)
    np.testing.assert_allclose(found, lost, rtol=1e-12)
    for half, expected in zip(halves, (gradient, matrix), strict=True):
        np.testing.assert_allclose(half, expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(mean, lost / samples.y.size, rtol=1e-12)
    np.testing.assert_allclose(slope, 2 * gradient / samples.y.size, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [1, 65])
def test_trainers_report_the_loss_of_the_loops(n):
    student, samples, _ = problem(SHALLOW, n)
    result = levenberg_marquardt(student, samples, get_activation("tanh"), LMOptions(steps=2, memory=1))
    after = result.population
    lost, gradient, _ = by_loops([w[0] for w in after.weights], [b[0] for b in after.biases], samples.x, samples.y)
    unit = samples.total_variance or 1.0
    np.testing.assert_allclose(result.loss[0], lost / unit, rtol=1e-8, atol=1e-28)
    np.testing.assert_allclose(result.gradient_norm[0], 2 * np.linalg.norm(gradient) / unit, rtol=1e-6, atol=1e-13)
