"""Neurons of the right direction at a wrong scale."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.reconstruct.test_grow import HIDDEN, teacher

import expandcluster as ec
from expandcluster.networks import Network
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.rescale import rescaled


def at_scale(network: Network, neuron: int, scale: float, shift: float) -> Network:
    first, bias = network.weights[0].copy(), network.biases[0].copy()
    first[neuron], bias[neuron] = scale * first[neuron], scale * bias[neuron] + shift
    return dataclasses.replace(network, weights=(first, network.weights[1]), biases=(bias, network.biases[1]))


@pytest.mark.parametrize("activation", ["tanh", "softplus", "g", "gelu"])
@pytest.mark.parametrize(("scale", "shift"), [(5.0, 3.0), (0.2, 0.0)])
def test_a_neuron_is_put_at_its_scale(activation: str, scale: float, shift: float) -> None:
    truth, samples = teacher(0, activation, 0)
    wrong = at_scale(truth, 2, scale, shift)
    found = rescaled(wrong, samples)
    assert found is not None
    others = np.arange(HIDDEN) != 2
    assert np.array_equal(found.weights[0][others], truth.weights[0][others])
    ratio = found.weights[0][2] / truth.weights[0][2]
    assert np.allclose(ratio, ratio[0]) and 0.7 <= abs(ratio[0]) <= 1.4
    tuned, loss, _ = tune(found, samples)
    assert loss <= 1e-26
    assert ec.compare(tuned, truth).max_parameter_error <= 1e-9


@pytest.mark.parametrize("activation", ["tanh", "softplus", "g"])
def test_nothing_moves_where_all_is_right(activation: str) -> None:
    truth, samples = teacher(1, activation, 0)
    noisy = dataclasses.replace(samples, y=samples.y + 1e-3 * np.random.default_rng(0).normal(size=samples.y.shape))
    assert rescaled(truth, noisy) is None
