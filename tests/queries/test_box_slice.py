"""Slices of a box: moves of a prescribed image, corners around any input, and where they are placed."""

from __future__ import annotations

import numpy as np
import pytest

import expandcluster as ec
from expandcluster.options import QueryOptions
from expandcluster.queries.box_moves import move_within
from expandcluster.queries.box_search import search_box
from expandcluster.queries.box_slice import BoxSlice, where_answers_bend
from expandcluster.queries.domain import Domain
from expandcluster.queries.jacobians import Differences
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import Source, open_source

INPUTS, HIDDEN, OUTPUTS = 120, 4, 3


def dark_teacher(activation: str, low: float = 0.0, high: float = 1.0) -> ec.Network:
    """Of weights so alike that at the middle of the box neurons are far from where they bend; at its low corner not."""
    rng = np.random.default_rng(0)
    weights = 2.0 * rng.normal(size=(HIDDEN, INPUTS)) / np.sqrt(INPUTS) + np.array([[0.12], [-0.12], [0.1], [-0.08]])
    first, bias = weights / (high - low), 0.3 * rng.normal(size=HIDDEN)
    return ec.Network((first, rng.normal(size=(OUTPUTS, HIDDEN))), (bias - low * first.sum(axis=1), np.zeros(OUTPUTS)),
                      activation)


def opened(network: ec.Network, domain: Domain) -> tuple[Source, Differences]:
    def answer(x: np.ndarray) -> np.ndarray:
        assert ((x >= domain.low) & (x <= domain.high)).all()
        return network(x).astype(np.float32)

    source = open_source(ec.Teacher.from_callable(answer, INPUTS), QueryOptions(domain=domain), 0,
                         wide=network.activation.negative_slope is not None)
    return source, Differences(source, probe_teacher(source))


@pytest.mark.parametrize("start", [0.0, 0.03, 1.0])
def test_moves_have_the_image_asked_for_and_stay_inside(start):
    rng = np.random.default_rng(1)
    basis, image = np.linalg.qr(rng.normal(size=(INPUTS, 5)))[0], rng.normal(size=(20, 5))
    x = np.full((20, INPUTS), start)
    moves = move_within(-x, 1 - x, rng.normal(size=x.shape), basis, image)
    assert (moves >= -x).all() and (moves <= 1 - x).all()
    np.testing.assert_allclose(moves @ basis, image, atol=1e-8)


def test_no_directions_leave_moves_as_they_are():
    wanted = np.array([[0.5, 3.0]])
    moves = move_within(np.full((1, 2), -1.0), np.ones((1, 2)), wanted, np.zeros((2, 0)), np.zeros((1, 0)))
    np.testing.assert_array_equal(moves, [[0.5, 1.0]])


@pytest.mark.parametrize("further", [0, 2])
def test_mixtures_lie_in_the_box_and_in_one_slice(further):
    source, _ = opened(dark_teacher("tanh"), Domain(0.0, 1.0))
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(INPUTS, HIDDEN)))[0]
    slice_ = BoxSlice.around(np.zeros(INPUTS), source.sampler, basis)
    x = slice_.draw(np.random.default_rng(0), 500, further)
    assert source.region.contains(x)
    coordinates = slice_.coordinates(source.sampler.unit)
    np.testing.assert_allclose(coordinates.outside(coordinates.inside(x)), x, atol=1e-12)
    assert len(np.unique(x, axis=0)) == 500


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0)])
def test_directions_that_the_middle_does_not_show_are_found(activation, bounds):
    network = dark_teacher(activation, *bounds)
    source, differences = opened(network, Domain(*bounds))
    basis, _, points = search_box(differences, np.random.default_rng(0), INPUTS // 2)
    assert basis is not None and basis.shape[1] == HIDDEN
    rows = network.weights[0] * source.sampler.unit
    assert np.linalg.norm(rows - rows @ basis @ basis.T) < 1e-2 * np.linalg.norm(rows)
    start = where_answers_bend(differences, basis, points)
    x = BoxSlice.around(start, source.sampler, basis).draw(np.random.default_rng(0), 500)
    preactivations = x @ network.weights[0].T + network.biases[0]
    middle = source.sampler.center @ network.weights[0].T + network.biases[0]
    assert np.abs(middle).max() > 5
    assert (np.mean(np.abs(preactivations) < 2, axis=0) > 0.1).all()  # every neuron bends within the slice


@pytest.mark.parametrize(("activation", "bounds"), [("tanh", (0.0, 1.0)), ("relu", (-1.0, 1.0))])
def test_neurons_saturated_at_the_middle_are_recovered(activation, bounds):
    network = dark_teacher(activation, *bounds)
    source, _ = opened(network, Domain(*bounds))
    found = ec.recover(source.teacher, activation=activation,
                       options=ec.RecoverOptions(queries=QueryOptions(domain=Domain(*bounds))))
    assert found.exact and ec.compare(found, network, tolerance=1e-3).max_parameter_error < 1e-4
