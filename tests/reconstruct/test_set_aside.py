"""Answers that are set aside while kinked neurons are tuned."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import expandcluster as ec
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.progress import FineTuned
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.set_aside import Tuned, tuned_apart, unexplained


def near(network: Network, samples: Samples) -> Tuned:
    return tune(network, dataclasses.replace(samples, floor=0.0))


def problem(activation: str = "relu") -> tuple[Network, Samples]:
    rng = np.random.default_rng(0)
    truth = Network((rng.normal(size=(5, 10)) / np.sqrt(10), rng.normal(size=(6, 5))),
                    (0.3 * rng.normal(size=5), rng.normal(size=6)), ec.get_activation(activation))
    x = rng.normal(size=(1500, 10))
    return truth, Samples(x, truth(x), 1e-26)


def test_answers_that_no_weights_explain_do_not_spoil_the_others() -> None:
    truth, samples = problem()
    rng = np.random.default_rng(1)
    odd = rng.choice(len(samples.x), 4, replace=False)
    y = samples.y.copy()
    y[odd] += rng.normal(size=(4, 6))
    spoilt = dataclasses.replace(samples, y=y)
    start = Network((truth.weights[0] + 1e-3 * rng.normal(size=(5, 10)), truth.weights[1]), truth.biases,
                    truth.activation)
    network, _ = tuned_apart(start, spoilt, np.zeros((0, 6)), near, near)
    assert ec.compare(network, truth).max_parameter_error <= 1e-10
    assert np.flatnonzero(unexplained(network, spoilt)).tolist() == sorted(odd.tolist())


def test_nothing_is_unexplained_of_an_exact_network_or_of_a_wrong_one() -> None:
    truth, samples = problem()
    assert not unexplained(truth, samples).any()
    wrong = Network((0.9 * truth.weights[0], truth.weights[1]), truth.biases, truth.activation)
    assert not unexplained(wrong, samples).any()


def test_a_table_with_answers_that_no_network_explains_is_never_exact() -> None:
    _, samples = problem()
    y = samples.y.copy()
    y[7] += np.random.default_rng(5).normal(size=6)
    tuned: list[FineTuned] = []
    found = ec.recover(ec.Teacher.from_data(samples.x, y), activation="relu",
                       progress=lambda event: tuned.append(event) if isinstance(event, FineTuned) else None)
    assert found.verdict is ec.Verdict.TOO_FEW_QUERIES
    assert found.relative_loss > 1e-6
    assert tuned[-1].relative_loss < 1e-26 and tuned[-1].message.endswith("steps, 1 answer set aside")


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_answer_that_alone_tells_of_weights_is_explained(activation: str) -> None:
    truth, samples = problem(activation)
    x = samples.x.copy()
    x[:, 9] = 0.0
    x[3, 9] = 1.0
    samples = Samples(x, truth(x), 1e-26)
    first = truth.weights[0] + 1e-4
    first[:, 9] = -50.0  # all neurons are off, or saturated, for this one sample
    start = Network((first, truth.weights[1]), truth.biases, truth.activation)
    network, _ = tuned_apart(start, samples, np.zeros((0, 6)), near, near)
    assert samples.relative_loss(network(x)) <= 1e-26
