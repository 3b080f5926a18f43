"""Lifting: exact weights on every input from finite steps, and no claim about what the steps do not see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.error_bars import determined, error_bars
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source, open_source
from expandcluster.reconstruct.lift import lift

PROBE = Probe(1e-16, 1e-32, 1e-26, single=False)


def in_slice(truth: ec.Network, options: QueryOptions | None = None, error: float = 1e-4
             ) -> tuple[ec.Network, Source]:
    """The network that is exact in a slice which misses the row space by ``error``, and the source."""
    source = open_source(ec.Teacher.from_network(truth), options or QueryOptions(), 0)
    rng = np.random.default_rng(1)
    rows = truth.weights[0] * source.sampler.unit + error * rng.normal(size=truth.weights[0].shape)
    source.keep_to(np.linalg.qr(rows.T)[0])
    return source.coordinates.lower(truth), source


@pytest.mark.parametrize("sizes", [(20, 4, 3), (12, 3, 1), (15, 4, 3, 2)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "g"])
def test_weights_on_all_inputs_are_exact_though_the_basis_is_not(sizes, activation):
    truth = random_teacher(sizes, activation, 0)
    network, source = in_slice(truth)
    assert ec.compare(source.coordinates.lift(network), truth).max_parameter_error > 1e-6
    lifted = lift(network, source, PROBE)
    assert lifted.loss < 1e-26
    assert ec.compare(lifted.network, truth).max_parameter_error < 1e-11
    assert lifted.bars.shape == truth.weights[0].shape and np.nanmax(lifted.bars) < 1e-10


def test_steps_keep_to_the_box():
    truth = random_teacher((20, 4, 3), "tanh", 2)
    inside = Domain(low=0.0, high=1.0)

    def ask(x: np.ndarray) -> np.ndarray:
        assert (x >= 0).all() and (x <= 1).all()
        return truth(x)

    source = open_source(ec.Teacher.from_callable(ask, 20), QueryOptions(domain=inside), 0)
    source.keep_to(np.linalg.qr((truth.weights[0] * source.sampler.unit).T)[0])
    lifted = lift(source.coordinates.lower(truth), source, PROBE)
    assert ec.compare(lifted.network, truth).max_parameter_error < 1e-10


def test_noise_is_met_by_more_base_points_and_shows_in_the_bars(monkeypatch):
    monkeypatch.setattr("expandcluster.reconstruct.lift._AFFORDABLE", 0.0)  # nothing is fine-tuned afterwards
    truth = random_teacher((20, 4, 3), "tanh", 0)
    network, source = in_slice(truth)
    rng = np.random.default_rng(0)
    source.ask = lambda x, again=0: truth(x) + 1e-7 * rng.normal(size=(len(x), 3))
    noisy = dataclasses.replace(PROBE, noise=1e-7, noise_floor=1e-14, single=True)
    exact, rough = lift(network, source, dataclasses.replace(noisy, noise=1e-16)), lift(network, source, noisy)
    deviations = np.abs(rough.network.weights[0] - truth.weights[0]) / rough.bars
    assert 0.5 < np.sqrt(np.mean(deviations**2)) < 2.0
    assert np.nanmax(exact.bars) < 1e-5


def test_noise_averages_out_where_all_parameters_are_tuned():
    truth = random_teacher((20, 4, 3), "tanh", 0)
    network, source = in_slice(truth)
    rng = np.random.default_rng(0)
    source.ask = lambda x, again=0: truth(x) + 1e-7 * rng.normal(size=(len(x), 3))
    lifted = lift(network, source, dataclasses.replace(PROBE, noise=1e-7, noise_floor=1e-14, single=True))
    assert lifted.tuned == 6 * truth.parameters / 3 and not lifted.bars.size
    bars = error_bars(determined(lifted.network, source.full(lifted.tuned)))
    deviations = np.abs(lifted.network.weights[0] - truth.weights[0]) / bars[0]
    assert 0.7 < np.sqrt(np.mean(deviations**2)) < 1.4


def test_weights_that_no_step_shows_are_open():
    """A neuron that is silent wherever the slice may be asked."""
    truth = random_teacher((10, 2, 2), "relu", 0)
    silent = ec.Network(truth.weights, (truth.biases[0] - np.array([0.0, 100.0]), truth.biases[1]), truth.activation)
    network, source = in_slice(silent)
    lifted = lift(network, source, PROBE)
    assert np.isnan(lifted.bars[1]).all() and np.isfinite(lifted.bars[0]).all()


def test_nothing_is_asked_without_a_basis_or_a_budget():
    truth = random_teacher((6, 4, 3), "tanh", 0)
    source = open_source(ec.Teacher.from_network(truth), QueryOptions(), 0)
    lifted = lift(source.coordinates.lower(truth), source, PROBE)
    assert source.queries == 0 and ec.compare(lifted.network, truth).max_parameter_error < 1e-14
    network, source = in_slice(truth, QueryOptions(max_queries=5))
    lifted = lift(network, source, PROBE)
    assert source.queries == 0 and np.isnan(lifted.bars).all()
    assert lift(None, source, PROBE).network is None


def test_a_wide_network_is_recovered_through_its_row_space():
    truth = random_teacher((40, 5, 3), "tanh", 3)
    found = ec.recover(ec.Teacher.from_network(truth), activation="tanh", seed=0)
    assert found.exact and ec.compare(found, truth).max_parameter_error < 1e-10
    assert found.queries < 2500
    assert len(found.certificate.error_bars) == 4 and found.certificate.error_bars[0].shape == (5, 40)
