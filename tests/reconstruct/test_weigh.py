"""Errors that lifted weights share show in answers outside the slice, and are mended; those of single weights stay."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct.lift import _sensitivities
from expandcluster.reconstruct.weigh import weigh

NOISE, BAR = 1e-7, 1e-6


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_common_errors_are_mended(activation):
    truth = random_teacher((100, 4, 3), activation, 0)
    rng = np.random.default_rng(0)
    center = rng.uniform(size=100)
    shared = 3 * BAR * rng.choice([-1.0, 1.0], size=(4, 1))
    first = truth.weights[0] + shared + BAR * rng.normal(size=(4, 100))
    bias = truth.biases[0] + (truth.weights[0] - first) @ center  # right at the center
    wrong = Network((first, truth.weights[1]), (bias, truth.biases[1]), truth.activation)
    x = rng.uniform(size=(200, 1)) * rng.uniform(size=(200, 100))
    samples = Samples(x, truth(x) + NOISE * rng.normal(size=(200, 3)), 0.0)
    found = weigh(wrong, np.full((4, 100), BAR), samples, center, NOISE, lambda p: _sensitivities(wrong, p))
    fresh = rng.uniform(size=(200, 1)) * rng.uniform(size=(200, 100))
    before, after = (float(np.abs(n(fresh) - truth(fresh)).max()) for n in (wrong, found))
    assert after < before / 20
    assert np.abs(found.biases[0] - truth.biases[0]).max() < np.abs(wrong.biases[0] - truth.biases[0]).max() / 10
    np.testing.assert_allclose(found.weights[0] @ center + found.biases[0], first @ center + bias, atol=1e-12)


def test_weights_without_a_bar_stay():
    truth = random_teacher((20, 2, 2), "tanh", 0)
    bars = np.full((2, 20), BAR)
    bars[0] = np.nan
    x = np.random.default_rng(0).uniform(size=(50, 20))
    wrong = Network((truth.weights[0] + BAR, truth.weights[1]), truth.biases, truth.activation)
    found = weigh(wrong, bars, Samples(x, truth(x), 0.0), np.zeros(20), NOISE, lambda p: _sensitivities(wrong, p))
    np.testing.assert_array_equal(found.weights[0][0], wrong.weights[0][0])
    assert (found.weights[0][1] != wrong.weights[0][1]).all()
