"""Smooth neurons that most given inputs leave linear."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import expandcluster as ec
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.tails import with_linear_neurons

INPUTS, HIDDEN = 12, 6


def linear(seed: int, activation: str, missing: int) -> tuple[Network, Samples]:
    """A network and 3,000 samples; the first ``missing`` neurons are far out on the line for most of them."""
    rng = np.random.default_rng(seed)
    w, b = 1.5 * rng.normal(size=(HIDDEN, INPUTS)) / np.sqrt(INPUTS), 0.5 * rng.normal(size=HIDDEN)
    b[:missing] = 2.5 if activation == "elu" else 4.0  # ELU is a line from zero on: fewer samples would not tell
    network = Network((w, rng.normal(size=(8, HIDDEN))), (b, rng.normal(size=8)), ec.get_activation(activation))
    x = rng.normal(size=(3000, INPUTS))
    return network, Samples(x, network(x), 1e-26)


def without(network: Network, seed: int, missing: int, wrong: float = 0.01) -> Network:
    """What students find of it: without these neurons, of random signs where signs are free, nearly right."""
    rng = np.random.default_rng([seed, 1])
    kept = HIDDEN - missing
    free = network.activation.symmetry.sign != 0
    signs = np.where(free & (rng.random(kept) < 0.5), -1.0, 1.0)
    first = network.weights[0][missing:] + wrong * rng.normal(size=(kept, INPUTS)) / np.sqrt(INPUTS)
    return Network((signs[:, None] * first, np.zeros((8, kept))), (signs * network.biases[0][missing:], np.zeros(8)),
                   network.activation)


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("activation", ["g", "softplus", "silu", "elu"])
def test_linear_neurons_are_found_in_the_linear_map_that_the_others_leave(activation: str, missing: int) -> None:
    truth, samples = linear(0, activation, missing)
    found = with_linear_neurons(without(truth, 0, missing), samples)
    assert found.sizes == truth.sizes
    tuned, loss, _ = tune(found, samples)
    assert loss <= 1e-26
    assert ec.compare(tuned, truth).max_parameter_error <= 1e-9


@pytest.mark.parametrize("activation", ["g", "softplus"])
def test_no_neuron_is_added_where_none_is_missing(activation: str) -> None:
    truth, samples = linear(1, activation, 0)
    assert with_linear_neurons(without(truth, 1, 0), samples).sizes == truth.sizes


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_others_are_left_alone(activation: str) -> None:
    truth, samples = linear(0, activation, 1)
    fewer = without(truth, 0, 1)
    assert with_linear_neurons(fewer, samples) is fewer


def test_tails_of_activations() -> None:
    tails = {name: ec.get_activation(name).tail for name in ("relu", "g", "silu", "gelu", "mish", "elu", "selu")}
    assert tails["g"] == (1.0, 1.0, 1.0)
    assert all(tail is not None and tail[0] == 1.0 for tail in tails.values())
    assert [ec.get_activation(name).tail for name in ("tanh", "sigmoid", "erf", "softsign")] == [None] * 4
    assert ec.get_activation(lambda z: z**2).tail is None
    mirrored = ec.get_activation(lambda z: jax.nn.softplus(-2 * z)).tail
    assert mirrored == (-1.0, -2.0, 0.0)
