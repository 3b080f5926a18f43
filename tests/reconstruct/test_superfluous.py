"""Neurons that a network does not need."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster import Teacher, compare
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import open_source
from expandcluster.reconstruct.fine_tune import fine_tune, tune
from expandcluster.reconstruct.superfluous import without_superfluous


def with_another(network: Network, layer: int, incoming: np.ndarray, bias: float, outgoing: np.ndarray) -> Network:
    """One more neuron in hidden layer ``layer``."""
    weights, biases = list(network.weights), list(network.biases)
    weights[layer - 1] = np.vstack([weights[layer - 1], incoming])
    biases[layer - 1] = np.append(biases[layer - 1], bias)
    weights[layer] = np.column_stack([weights[layer], outgoing])
    return Network(tuple(weights), tuple(biases), network.activation)


def random_rows(*size: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size)


def answers(truth: Network, rows: int = 2000) -> Samples:
    x = random_rows(rows, truth.sizes[0], seed=1)
    return Samples(x, truth(x), 1e-26)


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu"])
def test_a_neuron_without_outgoing_weights_is_left_out_of_any_layer(activation, layer):
    truth = random_teacher((5, 4, 3, 2), activation, 0)
    fan_in, fan_out = truth.sizes[layer - 1], truth.sizes[layer + 1]
    larger = with_another(truth, layer, random_rows(fan_in), 0.3, np.full(fan_out, 1e-16))
    found, loss, _ = without_superfluous(larger, answers(truth), tune)
    assert found.hidden_sizes == truth.hidden_sizes
    assert loss <= 1e-28 and compare(found, truth).max_parameter_error <= 1e-12


@pytest.mark.parametrize("activation", ["tanh", "gelu", "leaky_relu(0.1)"])
def test_copies_become_one_neuron(activation):
    truth = random_teacher((5, 4, 2), activation, 0)
    out = truth.weights[1][:, 0]
    near = with_another(truth, 1, truth.weights[0][0] + 1e-8 * random_rows(5), truth.biases[0][0], 0.4 * out)
    near = Network((near.weights[0], np.column_stack([0.6 * out, near.weights[1][:, 1:]])), near.biases,
                   near.activation)
    found, loss, steps = without_superfluous(near, answers(truth), tune)
    assert found.hidden_sizes == (4,) and steps > 0
    assert loss <= 1e-28 and compare(found, truth).max_parameter_error <= 1e-12


def test_several_are_left_out():
    truth = random_teacher((5, 4, 2), "tanh", 0)
    larger = truth
    for incoming in random_rows(3, 5):
        larger = with_another(larger, 1, incoming, 0.0, np.zeros(2))
    assert without_superfluous(larger, answers(truth), tune)[0].hidden_sizes == (4,)


def test_a_neuron_that_one_answer_needs_stays():
    truth = random_teacher((5, 4, 2), "relu", 0)
    samples = answers(truth)
    far = samples.x[np.argmax(samples.x[:, 0])]
    wide = with_another(truth, 1, far, 0.01 - far @ far, np.array([1.0, -1.0]))  # off for all inputs but ``far``
    assert np.count_nonzero(wide.hidden(samples.x, 1)[:, -1]) == 1
    asked = Samples(samples.x, wide(samples.x), 1e-26)
    assert without_superfluous(wide, asked, tune)[0] is wide
    aside = np.any(samples.x != far, axis=1)  # nor is it left out where that answer is set aside
    kept = functools.partial(without_superfluous, wide, asked.take(aside), tune)
    assert kept(asked.x)[0] is wide
    assert kept()[0].hidden_sizes == (4,)


def test_the_only_neuron_of_a_layer_stays():
    truth = random_teacher((5, 1, 2), "tanh", 0)
    constant = Network((truth.weights[0], np.zeros((2, 1))), truth.biases, truth.activation)
    assert without_superfluous(constant, answers(truth), tune)[0] is constant


def test_fine_tuning_to_a_table_leaves_out_a_neuron_that_students_made_up():
    truth = random_teacher((6, 4, 3), "gelu", 0)
    x = random_rows(3000, 6, seed=2)
    teacher = Teacher.from_data(x, truth(x))
    source = open_source(teacher, QueryOptions(), 0, x)
    probe = probe_teacher(source)
    source.learn(probe.floor, probe.noise, probe.sees)
    larger = with_another(truth, 1, random_rows(6), 0.5, np.array([1e-3, -1e-3, 2e-3]))
    larger = source.coordinates.lower(larger)
    told = []
    found = fine_tune(larger, source, told.append)
    assert found is not None and found.hidden_sizes == (4,)
    assert told[-2].message.startswith("a neuron is left out")
    assert told[-1].values["relative_loss"] <= 1e-28
