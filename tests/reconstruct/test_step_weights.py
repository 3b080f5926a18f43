"""Weights of single inputs from steps along them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.reconstruct import step_weights
from expandcluster.reconstruct.step_weights import weights_from_steps


def problem(activation: str, points: int, noise: float = 0.0):
    """A network of five inputs, as many base points, and what is known of its first weights."""
    truth, rng = random_teacher((5, 7, 3), activation, 0), np.random.default_rng(1)
    x, steps = rng.normal(size=(points, 5)), rng.uniform(0.2, 0.5, size=(5, points))
    y = np.stack([truth(x + steps[i][:, None] * np.eye(5)[i]) for i in range(5)])
    start = truth.weights[0].T * (1 + 1e-3 * rng.normal(size=(5, 7)))
    return truth, x @ truth.weights[0].T + truth.biases[0], steps, y + noise * rng.normal(size=y.shape), start


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("activation", ["tanh", "g", "leaky_relu(0.1)"])
def test_both_ways_of_solving_find_the_weights_and_their_errors(monkeypatch, activation, noise):
    truth, preactivations, steps, y, start = problem(activation, 8, noise)
    found = []
    for singular in (1e-9, 2.0):  # of 2.0 everything is
        monkeypatch.setattr(step_weights, "_SINGULAR", singular)
        step_weights._solve_chunk.clear_cache()
        found.append(weights_from_steps(truth, preactivations, steps, y, start, max(noise, 1e-16)))
    step_weights._solve_chunk.clear_cache()
    (weights, bars, squares), (others, other_bars, _) = found
    np.testing.assert_allclose(weights, others, atol=max(1e-3 * noise, 1e-13))
    np.testing.assert_allclose(bars, other_bars, rtol=1e-3 if noise else 1.0)
    error = np.abs(weights - truth.weights[0].T) / bars
    assert np.mean(error < 2.0) > (0.85 if noise else 0.5) and np.all(squares < 30 * max(noise, 1e-15) ** 2)


def test_weights_that_the_steps_do_not_see_are_nan():
    truth, preactivations, steps, y, start = problem("tanh", 2)  # six answers, seven weights
    assert np.isnan(weights_from_steps(truth, preactivations, steps, y, start, 1e-16)[1]).all()
    truth, preactivations, steps, y, start = problem("relu", 8)
    off = np.flatnonzero((preactivations + steps.max() * np.abs(start).max() < 0).all(axis=0))
    preactivations[:, 3] -= 100.0  # off wherever it is looked
    y = np.stack([(np.maximum(preactivations + steps[i][:, None] * truth.weights[0][:, i], 0.0)) @ truth.weights[1].T
                  + truth.biases[1] for i in range(5)])
    weights, bars, _ = weights_from_steps(truth, preactivations, steps, y, start, 1e-16)
    unseen = {3, *off}
    assert {j for j in range(7) if np.isnan(bars[:, j]).all()} >= unseen
    known = ~np.isnan(bars)
    assert known[:, [j for j in range(7) if j not in unseen]].mean() > 0.5
    np.testing.assert_allclose(weights[known], truth.weights[0].T[known], atol=1e-10)
