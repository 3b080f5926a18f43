"""Kinked neurons that few of the given inputs switch, and inputs that should switch one on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import expandcluster as ec
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.kinks import switched_on
from expandcluster.reconstruct.rare import explained_by, with_mostly_off, with_rare_neurons

INPUTS = 12


def rare(seed: int, few: int, activation: str = "relu", outputs: int = 4, third: int | None = None
         ) -> tuple[Network, Samples]:
    """A network and 800 samples, of which only ``few`` switch on its first neuron, and as many off its second.

    And so many its third off, if given.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, INPUTS))
    w, b = rng.normal(size=(6, INPUTS)) / np.sqrt(INPUTS), 0.5 * rng.normal(size=6)
    z = np.sort(x @ w.T, axis=0)
    b[0] = -(z[-few - 1, 0] + z[-few, 0]) / 2
    b[1] = -(z[few - 1, 1] + z[few, 1]) / 2
    if third is not None:
        b[2] = -(z[third - 1, 2] + z[third, 2]) / 2
    network = Network((w, rng.normal(size=(outputs, 6))), (b, rng.normal(size=outputs)), ec.get_activation(activation))
    return network, Samples(x, network(x), 1e-26)


def without(network: Network, seed: int, wrong: float = 0.0) -> Network:
    """What students find of it: without its rare neurons, of random signs, outgoing weights unknown."""
    rng = np.random.default_rng([seed, 1])
    signs = np.where(rng.random(4) < 0.5, -1.0, 1.0)
    first = network.weights[0][2:] + wrong * rng.normal(size=(4, INPUTS))
    return Network((signs[:, None] * first, np.zeros((len(network.biases[1]), 4))),
                   (signs * network.biases[0][2:], np.zeros(len(network.biases[1]))), network.activation)


def completed(network: Network, samples: Samples) -> Network:
    larger, off = with_rare_neurons(network, samples)
    return with_mostly_off(larger, samples, off)


@pytest.mark.parametrize("wrong", [0.0, 1e-3])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.2)"])
@pytest.mark.parametrize("seed", range(3))
def test_rare_neurons_are_found_in_what_the_others_leave(seed: int, activation: str, wrong: float) -> None:
    truth, samples = rare(seed, 8, activation)
    found = completed(without(truth, seed, wrong), samples)
    assert found.sizes == truth.sizes
    tuned, loss, _ = tune(found, samples)
    assert loss <= 1e-28
    # what is mostly on is told by all samples, and so is everything else but the neuron that is mostly off
    off = int(np.argmin(np.count_nonzero(tuned.hidden(samples.x, 1) > 0, axis=0)))
    if activation == "relu":
        assert np.count_nonzero(tuned.hidden(samples.x, 1)[:, off] > 0) < INPUTS
        known = Network((np.delete(tuned.weights[0], off, 0), np.delete(tuned.weights[1], off, 1)),
                        (np.delete(tuned.biases[0], off), tuned.biases[1]), tuned.activation)
        rest = Network((truth.weights[0][1:], truth.weights[1][:, 1:]), (truth.biases[0][1:], truth.biases[1]),
                       truth.activation)
        assert ec.compare(known, rest).max_parameter_error <= 1e-11
    else:
        assert ec.compare(tuned, truth).max_parameter_error <= 1e-11


def test_a_neuron_that_is_mostly_off_is_on_for_its_samples_only() -> None:
    truth, samples = rare(0, 8)
    on = truth.hidden(samples.x, 1)[:, 0] > 0
    larger, off = with_rare_neurons(without(truth, 0), samples)
    assert off.shape == (1, 4)
    assert np.array_equal(explained_by(off, larger, samples), on)
    found = with_mostly_off(larger, samples, off)
    assert np.array_equal(found.hidden(samples.x, 1)[:, -1] > 1e-9, on)
    assert np.linalg.norm(found.weights[0][-1]) <= np.linalg.norm(truth.weights[0][0]) * np.linalg.norm(
        truth.weights[1][:, 0]) * (1 + 1e-9)  # outgoing weights of norm 1


@pytest.mark.parametrize("third", [24, 40])
@pytest.mark.parametrize("seed", [0, 2])
def test_a_known_neuron_with_few_samples_on_one_side_does_not_become_linear(seed: int, third: int) -> None:
    """For most samples the linear map makes up for its errors: only the few others tell them."""
    truth, samples = rare(seed, 8, third=third)
    fewer = without(truth, seed)
    first = fewer.weights[0].copy()
    first[0] += 0.01 * np.random.default_rng(1).normal(size=INPUTS)
    larger, off = with_rare_neurons(Network((first, fewer.weights[1]), fewer.biases, fewer.activation), samples)
    right = np.append(truth.weights[0][2], truth.biases[0][2])
    found = np.append(larger.weights[0][0], larger.biases[0][0])
    np.testing.assert_allclose(found / np.linalg.norm(found), right / np.linalg.norm(right), atol=1e-5)
    assert larger.sizes == (INPUTS, 5, 4)
    assert len(off) == 1


def test_nothing_is_added_where_nothing_is_missing() -> None:
    truth, samples = rare(0, 200)
    assert with_rare_neurons(truth, samples)[0] is truth


@pytest.mark.parametrize("outputs", [1, 2])
def test_few_outputs_have_no_directions(outputs: int) -> None:
    truth, samples = rare(0, 8, outputs=outputs)
    fewer = without(truth, 0)
    assert with_rare_neurons(fewer, samples)[0] is fewer


def test_nothing_is_added_where_a_common_neuron_is_missing() -> None:
    truth, samples = rare(0, 8)
    fewer = without(truth, 0)
    fewer = Network((fewer.weights[0][1:], fewer.weights[1][:, 1:]), (fewer.biases[0][1:], fewer.biases[1]),
                    fewer.activation)
    assert with_rare_neurons(fewer, samples)[0] is fewer


def test_smooth_and_deep_networks_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    for sizes, activation in (((3, 4, 5), "tanh"), ((3, 4, 4, 5), "relu")):
        arrays = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]
        network = Network(tuple(arrays), tuple(np.zeros(b) for b in sizes[1:]), ec.get_activation(activation))
        samples = Samples(x, rng.normal(size=(50, 5)), 1e-26)
        assert with_rare_neurons(network, samples)[0] is network
        assert switched_on(network, samples) is None


def test_a_single_input_switches_its_neuron_on() -> None:
    """One input alone, of those that switch a neuron on, has a part along an axis, and the network has it off there."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5))
    w, b, v = rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=(4, 3))
    x[:, 4] = 0.0
    off = x @ w[1] + b[1] < -1.5
    x[off, 4] = rng.uniform(size=np.count_nonzero(off))
    one = int(np.argmax(np.abs(x @ w[1] + b[1] + 0.1) < 0.1))  # z between -0.2 and 0
    x[one, 4], w[1, 4] = 1.0, 0.5
    truth = Network((w, v), (b, np.zeros(4)), ec.get_activation("relu"))
    assert np.all(truth.hidden(x[off], 1)[:, 1] == 0)
    assert 0.3 <= truth.hidden(x[one : one + 1], 1)[0, 1] <= 0.5
    samples = Samples(x, truth(x), 1e-26)
    moved = w.copy()
    moved[1, 4] = -0.5
    dead = Network((moved, v), truth.biases, truth.activation)
    assert dead.hidden(x[one : one + 1], 1)[0, 1] == 0
    assert samples.relative_loss(dead(x)) > 1e-5
    mended = switched_on(dead, samples)
    assert mended is not None
    assert samples.relative_loss(mended(x)) < 1e-16
    assert tune(dead, samples)[1] <= 1e-28
    assert switched_on(truth, samples) is None


@pytest.mark.parametrize("seed", range(2))
def test_a_table_of_which_few_rows_switch_neurons(seed: int) -> None:
    truth, samples = rare(seed, 8)
    found = ec.recover(ec.Teacher.from_data(samples.x, samples.y), activation="relu")
    assert found.network is not None
    assert found.network.sizes == truth.sizes
    assert found.relative_loss <= 1e-26
    assert found.verdict is ec.Verdict.UNDETERMINED  # nobody can tell the weights that are on for eight rows
    assert ec.compare(found, truth).determined_error <= 1e-10
    assert found.certificate is not None
    assert found.certificate.support == 0
    assert 0 < len(found.certificate.undetermined) <= INPUTS + 1 + 4
