"""Error bars tell the truth's distance; what the data do not determine is named; doubt is never called exact."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster import certify as module
from expandcluster.certify import judge
from expandcluster.error_bars import determined, error_bars, names_of_undetermined
from expandcluster.expand.expand import Students
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import open_source
from expandcluster.reconstruct.fine_tune import fine_tune
from expandcluster.recover import recover
from expandcluster.results import Certificate, Verdict
from expandcluster.symmetry_moves import unit_norm
from expandcluster.teachers.base import Teacher


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_error_bars_cover_the_truth_at_their_rate(activation):
    network = random_teacher((3, 3, 2), activation, 0)
    rng = np.random.default_rng(0)
    truth = np.concatenate([p.reshape(-1) for pair in zip(unit_norm(network).weights, unit_norm(network).biases,
                                                          strict=True) for p in pair])
    inside = total = 0
    for _ in range(12):
        x = rng.normal(size=(400, 3))
        y = network(x) + 1e-3 * rng.normal(size=(400, 2))
        source = open_source(Teacher.from_data(x, y), QueryOptions(), 0)
        tuned = fine_tune(source.coordinates.lower(network), source)
        assert tuned is not None
        tuned = source.coordinates.lift(tuned)
        bars = error_bars(determined(tuned, source.full(0)))
        assert names_of_undetermined(bars) == ()
        found = np.concatenate([p.reshape(-1) for pair in zip(unit_norm(tuned).weights, unit_norm(tuned).biases,
                                                              strict=True) for p in pair])
        inside += int((np.abs(found - truth) <= 2 * np.concatenate([b.reshape(-1) for b in bars])).sum())
        total += len(truth)
    assert 0.90 < inside / total < 0.99  # two standard deviations: 0.954


def test_an_input_that_never_varies_leaves_its_weights_undetermined():
    network = random_teacher((4, 3, 2), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 2] = 0.0
    bars = error_bars(determined(network, Samples(x, network(x)), 1e-16))
    assert names_of_undetermined(bars) == ("W1[0,2]", "W1[1,2]", "W1[2,2]")
    assert np.isnan(bars[0][:, 2]).all() and not np.isnan(bars[1]).any()


def test_a_constant_input_is_confounded_with_the_bias():
    network = random_teacher((4, 3, 2), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 2] = 1.0
    names = names_of_undetermined(error_bars(determined(network, Samples(x, network(x)), 1e-16)))
    assert set(names) == {f"W1[{i},2]" for i in range(3)} | {f"b1[{i}]" for i in range(3)}


def test_a_duplicated_neuron_is_undetermined():
    network = random_teacher((4, 3, 2), "tanh", 0)
    twice = Network((network.weights[0][[0, 1, 2, 2]], network.weights[1][:, [0, 1, 2, 2]]),
                    (network.biases[0][[0, 1, 2, 2]], network.biases[1]), "tanh")
    x = np.random.default_rng(0).normal(size=(300, 4))
    names = names_of_undetermined(error_bars(determined(twice, Samples(x, twice(x)), 1e-16)))
    assert {"W2[0,2]", "W2[0,3]"} <= set(names) and "W2[0,0]" not in names


def test_a_sample_that_nothing_checks_determines_nothing():
    """Three answers to one sample tell three weights, whatever the answers are."""
    network = random_teacher((4, 3, 3), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 2] = 0.0
    x[7, 2] = 1.0
    samples = Samples(x, network(x))
    all_told = determined(network, samples, 1e-16)
    assert names_of_undetermined(error_bars(all_told)) == ()
    assert np.flatnonzero(all_told.unchecked(x)).tolist() == [7]
    checked = determined(network, samples, 1e-16, checked=True)
    assert names_of_undetermined(error_bars(checked)) == ("W1[0,2]", "W1[1,2]", "W1[2,2]")
    x[8, 2] = -1.0
    assert names_of_undetermined(error_bars(determined(network, Samples(x, network(x)), 1e-16, checked=True))) == ()


def test_with_kinks_a_sample_must_be_checked_by_more():
    """Of three answers to a sample two tell weights of the neurons that are on, and one alone that no other is."""
    network = random_teacher((4, 3, 3), "relu", 0)
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 2] = 0.0
    on = np.flatnonzero(np.count_nonzero(network.hidden(x, 1), axis=1) == 2)[:1]
    x[on, 2] = 1e-3
    samples = Samples(x, network(x))
    known = determined(network, samples, 1e-16)
    assert not known.unchecked(x).any()
    assert known.unchecked(x, halfway=True)[on].all()
    found = error_bars(determined(network, samples, 1e-16, checked=True))
    assert np.isnan(found[0][:, 2]).all() and not np.isnan(found[0][:, [0, 1, 3]]).all()


GOOD = Certificate(1e-31, 1e-32, (), 1e-15, (), 4, 4)
STUDENTS = Students((), np.zeros(4), 4, np.zeros(8), 0, 8)
PROBE = Probe(1e-16, 1e-32, 1e-26, single=False)


@pytest.mark.parametrize(("changed", "verdict"), [
    ({}, Verdict.EXACT),
    ({"support": 1}, Verdict.FEW_STUDENTS),
    ({"undetermined": ("W1[0,0]",)}, Verdict.UNDETERMINED),
    ({"largest_error_bar": 1e-6}, Verdict.IMPRECISE),
    ({"largest_error_bar": float("nan")}, Verdict.IMPRECISE),
    ({"relative_loss": 1e-20}, Verdict.TOO_FEW_QUERIES),
    ({"relative_loss": float("nan")}, Verdict.TOO_FEW_QUERIES),
    ({"relative_loss": 1e-20, "explained": 1e-20}, Verdict.EXACT),  # by the error bars of lifted weights
    ({"relative_loss": 1e-18, "explained": 1e-20}, Verdict.TOO_FEW_QUERIES),
    ({"relative_loss": 1e-4, "explained": 1.0}, Verdict.TOO_FEW_QUERIES),  # bars so wide explain nothing
])
def test_the_verdict_fits_the_evidence(changed, verdict):
    assert judge(dataclasses.replace(GOOD, **changed), STUDENTS, PROBE, enough=4) is verdict


def test_students_that_never_reached_the_floor_could_not_imitate():
    students = dataclasses.replace(STUDENTS, at_floor=0, losses=np.array([1e-3]))
    certificate = dataclasses.replace(GOOD, relative_loss=1e-3)
    assert judge(certificate, students, PROBE, enough=4) is Verdict.CANNOT_IMITATE
    assert judge(None, students, PROBE, enough=4) is Verdict.CANNOT_IMITATE


def test_a_changing_teacher_is_never_exact():
    assert judge(GOOD, STUDENTS, dataclasses.replace(PROBE, changing=True), enough=4) is Verdict.IMPRECISE


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_error_bars_of_lifted_networks_from_the_matrix_are_those_of_the_jacobian(monkeypatch, activation):
    teacher = Teacher.from_network(random_teacher((20, 3, 2), activation, 0))
    exact = recover(teacher, activation=activation)
    monkeypatch.setattr(module, "fits", lambda sizes: False)
    large = recover(teacher, activation=activation)
    assert exact.verdict is large.verdict is Verdict.EXACT
    for one, other in zip(exact.certificate.error_bars, large.certificate.error_bars, strict=True):
        assert np.isfinite(other).all() and one.shape == other.shape
        np.testing.assert_allclose(other, one, rtol=5e-3)  # the matrix leaves out scales when it counts
