"""Neurons that clusters lack, learnt by random ones beside those that are found."""

from __future__ import annotations

import numpy as np
import pytest

import expandcluster as ec
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.progress import Event
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import open_source
from expandcluster.reconstruct.fine_tune import fine_tune, tune
from expandcluster.reconstruct.grow import with_grown_neurons

INPUTS, HIDDEN = 12, 6


def teacher(seed: int, activation: str, weak: int) -> tuple[Network, Samples]:
    """A network and 3,000 samples; its first neurons hardly change the answers."""
    rng = np.random.default_rng(seed)
    w, b = 1.5 * rng.normal(size=(HIDDEN, INPUTS)) / np.sqrt(INPUTS), 0.5 * rng.normal(size=HIDDEN)
    out = rng.normal(size=(8, HIDDEN)) * np.where(np.arange(HIDDEN) < weak, 0.03, 1.0)
    network = Network((w, out), (b, rng.normal(size=8)), ec.get_activation(activation))
    x = rng.normal(size=(3000, INPUTS))
    return network, Samples(x, network(x), 1e-26)


def stuck(truth: Network, samples: Samples, missing: int, made_up: int, seed: int) -> Network:
    """Without some neurons, with others that are none, at a minimum."""
    rng = np.random.default_rng([seed, 1])
    first = np.concatenate([truth.weights[0][missing:], rng.normal(size=(made_up, INPUTS)) / np.sqrt(INPUTS)])
    bias = np.concatenate([truth.biases[0][missing:], rng.normal(size=made_up)])
    start = Network((first, np.concatenate([truth.weights[1][:, missing:], np.zeros((8, made_up))], axis=1)),
                    (bias, truth.biases[1]), truth.activation)
    return tune(start, samples)[0]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "g", "gelu"])
@pytest.mark.parametrize(("missing", "made_up"), [(1, 0), (2, 0), (2, 1)])
def test_missing_neurons_are_learnt_and_others_left_out(activation: str, missing: int, made_up: int, seed: int) -> None:
    truth, samples = teacher(seed, activation, missing)
    fewer = stuck(truth, samples, missing, made_up, seed)
    assert samples.relative_loss(fewer(samples.x)) > 1e-8
    found = with_grown_neurons(fewer, samples)
    assert found is not None and found.sizes == truth.sizes
    tuned, loss, _ = tune(found, samples)
    assert loss <= 1e-26
    assert ec.compare(tuned, truth).max_parameter_error <= 1e-9


def test_too_few_answers_are_not_learnt_by_heart() -> None:
    truth, samples = teacher(0, "tanh", 1)
    fewer = stuck(truth, samples, 1, 0, 0)
    assert with_grown_neurons(fewer, samples.take(np.arange(40))) is None


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_fine_tuning_to_a_table_finds_what_clusters_lack(activation: str) -> None:
    truth, samples = teacher(0, activation, 2)
    source = open_source(ec.Teacher.from_data(samples.x, samples.y), QueryOptions(), 0, samples.x)
    probe = probe_teacher(source)
    source.learn(probe.floor, probe.noise, probe.sees)
    told: list[Event] = []
    found = fine_tune(source.coordinates.lower(stuck(truth, samples, 2, 1, 0)), source, told.append)
    assert found is not None and found.sizes == truth.sizes
    assert any(event.message.startswith("missing neurons learnt") for event in told)
    assert told[-1].values["relative_loss"] <= 1e-28
