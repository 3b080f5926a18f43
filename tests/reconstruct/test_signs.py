from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.compare import compare
from expandcluster.networks import Network
from expandcluster.reconstruct.output_layer import fit_output_layer
from expandcluster.reconstruct.signs import wrong_signs


@pytest.mark.parametrize("activation", ["softplus", "gelu", "silu", "relu", "leaky_relu(0.3)", "sigmoid", "tanh", "g"])
@pytest.mark.parametrize("sizes", [(6, 5, 2), (2, 6, 1), (3, 8, 1)])
def test_any_wrong_signs_are_put_right(activation, sizes):
    """Also where the linear part has fewer numbers than there are neurons."""
    teacher = random_teacher(sizes, activation, 1)
    x = np.random.default_rng(0).normal(size=(500, sizes[0]))
    truth = np.concatenate([teacher.weights[0], teacher.biases[0][:, None]], axis=1)
    for seed in range(5):
        flips = np.random.default_rng(seed).random(sizes[1]) < 0.5
        if teacher.activation.symmetry.sign == 0:
            flips[:] = False
        network = fit_output_layer(np.where(flips[:, None], -truth, truth), teacher.activation, x, teacher(x))
        assert compare(network, teacher).max_parameter_error < 1e-8, flips


def test_no_linear_part_means_no_wrong_sign():
    rng = np.random.default_rng(0)
    assert not wrong_signs(np.zeros((2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(4, 3)), 1.0).any()


def test_an_unexplained_linear_part_flips_nothing():
    rng = np.random.default_rng(0)
    linear, out, into = rng.normal(size=(5, 6)), rng.normal(size=(5, 4)), rng.normal(size=(4, 6))
    assert not wrong_signs(linear, out, into, 1.0).any()


@pytest.mark.parametrize("sizes", [(6, 20, 1), (5, 8, 2)])
def test_one_blurred_neuron_does_not_hide_the_signs_of_all(sizes):
    """Few samples are beyond its kink, so students know it less well than the others."""
    teacher = random_teacher(sizes, "relu", 3)
    truth = np.concatenate([teacher.weights[0], teacher.biases[0][:, None]], axis=1)
    truth[0, -1] = -2.0 * np.linalg.norm(truth[0, :-1])
    teacher = Network((truth[:, :-1], teacher.weights[1]), (truth[:, -1], teacher.biases[1]), teacher.activation)
    x = np.random.default_rng(0).normal(size=(3000, sizes[0]))
    rng = np.random.default_rng(1)
    merged = np.where(rng.random(sizes[1])[:, None] < 0.5, -truth, truth)
    merged[0] *= 1.0 + 1e-3 * rng.normal(size=truth.shape[1])
    network = fit_output_layer(merged, teacher.activation, x, teacher(x), floor=1e-26)
    assert compare(network, teacher).max_parameter_error < 1e-8
    assert compare(fit_output_layer(merged, teacher.activation, x, teacher(x), floor=1.0), teacher
                   ).max_parameter_error > 1e-5  # not without refining it
