"""Wrong answers are left out where a neuron may be on, as far as the samples tell; others count against the network."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.certify import _given_loss
from expandcluster.error_bars import determined
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.open_kinks import explained_by_open_kinks


@pytest.mark.parametrize("sizes", [(4, 3, 5), (4, 3, 3, 5)])
def test_a_neuron_may_be_on_where_an_input_is_that_no_sample_has(sizes):
    network = random_teacher(sizes, "relu", 1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4))
    x[:, 2] = 0.0
    known = determined(network, Samples(x, network(x)), 1e-16)
    other = rng.normal(size=(400, 4))
    first = network.weights[0].copy()
    first[0, 2] += 2.0
    truth = Network((first, *network.weights[1:]), network.biases, network.activation)
    before, after = (n.hidden(other, 1) > 0 for n in (network, truth))
    switched = np.flatnonzero(~before[:, 0] & after[:, 0])
    rests = truth(other) - network(other)
    wrong = np.linalg.norm(rests, axis=1) > 1e-6
    explained = explained_by_open_kinks(known, other, rests)
    assert explained[switched[wrong[switched]]].mean() > 0.5  # all but those that switch neurons behind it
    assert not explained[~wrong].any()
    if len(sizes) == 3:  # behind others it adds what their outgoing weights make of it, of any sign
        assert not explained_by_open_kinks(known, other, -rests)[switched].any()
    assert not explained_by_open_kinks(known, other, rng.normal(size=rests.shape)).any()


def test_where_samples_tell_a_neuron_is_off():
    network = random_teacher((4, 3, 5), "relu", 1)
    x = np.random.default_rng(0).normal(size=(600, 4))
    known = determined(network, Samples(x, network(x)), 1e-16)
    off = network.hidden(x, 1)[:, 0] == 0
    rests = np.where(off[:, None], network.weights[1][:, 0], 0.0)
    assert not explained_by_open_kinks(known, x, rests).any()


@pytest.mark.parametrize(("activation", "outputs"), [("leaky_relu(0.01)", 5), ("tanh", 5), ("relu", 1)])
def test_what_a_jacobian_tells_and_what_anything_explains_is_left_alone(activation, outputs):
    network = random_teacher((4, 3, outputs), activation, 1)
    x = np.random.default_rng(0).normal(size=(600, 4))
    x[:, 2] = 0.0
    known = determined(network, Samples(x, network(x)), 1e-16)
    assert not explained_by_open_kinks(known, x + 1.0, np.ones((600, outputs))).any()


@pytest.mark.parametrize(("switched", "left_out"), [(10, True), (100, False)])
def test_few_such_answers_are_left_out_of_the_loss_and_many_count(switched, left_out):
    network = random_teacher((4, 3, 5), "relu", 1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4))
    x[:, 2] = 0.0
    known = determined(network, Samples(x, network(x)), 1e-16)
    other = rng.normal(size=(4000, 4))
    other[:, 2] = 0.0
    one_off = np.flatnonzero(network.hidden(other, 1)[:, 0] == 0)[:400]
    other, y = other[one_off], network(other[one_off])
    other[:switched, 2] = 1e-3  # as the samples tell, the first neuron may be on there; others must be off
    silent = (network.hidden(other, 1) == 0).all(axis=1)
    y[:switched] += 0.5 * network.weights[1][:, 0]
    loss, _, unjudged = _given_loss(known, Samples(other[silent], y[silent]))
    assert silent[:switched].any()
    assert (loss < 1e-25 and unjudged == np.count_nonzero(silent[:switched])) if left_out else loss > 1e-3
