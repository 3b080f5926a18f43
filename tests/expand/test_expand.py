"""Which students are kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.activations import get_activation
from expandcluster.certify import judge
from expandcluster.compare import compare
from expandcluster.expand import expand as module
from expandcluster.expand.expand import expand, widths_for
from expandcluster.options import AdamOptions, ExpandOptions, LMOptions, QueryOptions, RecoverOptions
from expandcluster.progress import StudentsTrained, silent
from expandcluster.queries.probe import Probe
from expandcluster.queries.row_space import RowSpace
from expandcluster.queries.source import open_source
from expandcluster.recover import recover
from expandcluster.results import Verdict
from expandcluster.teachers.base import Teacher


def test_each_student_is_kept_once_where_all_are(monkeypatch):
    """Also those that are right on their samples only: twice, one student would count as two that agree."""
    monkeypatch.setattr(module._Pool, "_right_share", lambda self, network, floor: 0.0)
    options = RecoverOptions(expand=ExpandOptions(students=3, waves=0, widths=(8,), prune=False, keep="all"))
    source = open_source(Teacher.from_network(random_teacher((3, 2, 1), "tanh", 0)), options.queries, 0)
    source.floor = 1e-20
    students = expand(source, random_teacher((3, 2, 1), "tanh", 0).activation, 1, RowSpace(), options, 0)
    assert students.overfitted > 0
    assert len(students.networks) == len(students.all_losses) == 3


@pytest.mark.parametrize(("activation", "effort", "tried"), [
    ("tanh", 1.0, 1), ("tanh", 1e5, 2), ("tanh", 3e6, 2), ("tanh", 4e6, 3), ("relu", 1e5, 2), ("relu", 4e5, 3)])
def test_widths_are_tried_as_long_as_a_step_is_affordable(activation, effort, tried):
    """The first width at any price, a second up to the effort, later ones up to a tenth of it, or all where kinked."""
    options = RecoverOptions(expand=ExpandOptions(students=1, enough=1, waves=0, widths=(2, 4, 8), effort=effort))
    teacher = Teacher.from_callable(lambda x: np.sin(3 * x[:, :1]) * x[:, 1:], 2)
    source = open_source(teacher, options.queries, 0)
    source.floor = 1e-26
    students = expand(source, get_activation(activation), 1, RowSpace(), options, 0)
    assert len(students.all_losses) == tried and not students.at_floor


def test_widths_whose_exact_steps_are_too_dear_are_passed_over_for_wider_ones_without_them(monkeypatch):
    tried = []

    def add(self, sizes, samples, seed, *, smooth_path):
        tried.append(sizes[1])
        return 1.0

    monkeypatch.setattr(module._Pool, "add", add)
    trainers = (LMOptions(largest_matrix=8 * 40**2),)
    options = RecoverOptions(expand=ExpandOptions(widths=(2, 4, 8, 12, 16), waves=0, effort=1.0, trainers=trainers))
    source = open_source(Teacher.from_callable(lambda x: x[:, :1] * x[:, 1:], 2), options.queries, 0)
    source.floor = 1e-26
    expand(source, get_activation("tanh"), 1, RowSpace(), options, 0)
    assert tried == [2, 12, 16]  # 4 and 8 have 17 and 33 parameters


@pytest.mark.parametrize(("queries", "ends_early"), [(1000, True), (None, False)])
def test_a_budget_may_end_before_students_are_wide_enough(queries, ends_early):
    """Then the verdict is too few queries, and not that no network imitates the teacher."""
    options = RecoverOptions(queries=QueryOptions(max_queries=queries),
                             expand=ExpandOptions(students=1, enough=1, waves=0, widths=(2, 400), effort=1e30))
    source = open_source(Teacher.from_network(random_teacher((6, 16, 2), "tanh", 0)), options.queries, 0)
    source.floor = 1e-26
    if not ends_early:  # no need to train the wide one
        options = dataclasses.replace(options, expand=dataclasses.replace(options.expand, widths=(2,)))
    students = expand(source, get_activation("tanh"), 1, RowSpace(), options, 0)
    assert not students.at_floor and len(students.all_losses) == 1
    assert students.out_of_budget is ends_early
    verdict = judge(None, students, Probe(1e-16, 1e-32, 1e-26, single=False), enough=1)
    assert verdict is (Verdict.TOO_FEW_QUERIES if ends_early else Verdict.CANNOT_IMITATE)


@pytest.mark.parametrize(("sizes", "budget", "samples"), [
    ((8, 10, 2), None, 600), ((64, 80, 100), None, 4_096), ((64, 80, 10), None, 4_096), ((64, 128, 10), None, 5_766),
    ((64, 80, 100), 2_000, 1_700)])
def test_large_students_see_enough_samples_for_each_direction_of_the_inputs(sizes, budget, samples):
    """Many outputs make few samples enough for all parameters, but not to find one's way."""
    source = open_source(Teacher.from_network(random_teacher((sizes[0], 2, sizes[-1]), "tanh", 0)),
                         QueryOptions(max_queries=budget), 0)
    source.floor = 1e-26
    found = module.samples_for(source, sizes, ExpandOptions())
    assert len(found.x) == samples
    assert found.floor == (1e-26 if sizes[0] == 8 else 1e-8)


@pytest.mark.parametrize(("rank", "hidden_layers", "outputs", "first"),
                         [(16, 1, 1, 32), (16, 1, 4, 20), (16, 2, 10, 32), (64, 2, 1, 128), (64, 2, 10, 80)])
def test_the_first_width_follows_the_row_space(rank, hidden_layers, outputs, first):
    """Deep students are narrow only where they have many outputs and are too large for exact steps."""
    widths = widths_for(ExpandOptions(), rank, hidden_layers, outputs, rank)
    assert widths[0] == first and all(w >= 1.5 * first for w in widths[1:])


@pytest.mark.parametrize(("inputs", "first"), [(20, 4), (784, 16)])
def test_narrow_students_of_hundreds_of_inputs_are_left_out(inputs, first):
    assert widths_for(ExpandOptions(), None, 1, 10, inputs)[0] == first


@pytest.mark.parametrize(("activation", "agree"), [("tanh", 2), ("relu", 3)])
def test_kinked_students_agree_whatever_size_they_were_pruned_to(activation, agree):
    source = open_source(Teacher.from_network(random_teacher((3, 2, 2, 1), activation, 0)), RecoverOptions().queries, 0)
    pool = module._Pool(source, get_activation(activation), ExpandOptions(), silent, keep_all=False, least=1)
    pool.floor_networks = [random_teacher(sizes, activation, 0) for sizes in ((3, 2, 2, 1), (3, 2, 2, 1), (3, 4, 3, 1))]
    assert pool.agreeing() == agree


@pytest.mark.parametrize(("largest", "exact"), [(2**29, True), (3000, False)])
def test_the_memory_of_the_matrix_decides_how_students_are_trained_and_is_said(largest, exact):
    truth, waves = random_teacher((4, 3, 2), "tanh", 0), []

    def watch(event):
        if isinstance(event, StudentsTrained):
            waves.append((event.exact_steps, "inexact steps" in event.message))

    options = RecoverOptions(expand=ExpandOptions(trainers=(LMOptions(largest_matrix=largest),)))
    found = recover(Teacher.from_network(truth), activation="tanh", options=options, progress=watch)
    assert found.verdict is Verdict.EXACT and compare(found.network, truth).max_parameter_error < 1e-10
    assert waves and all(wave == (exact, not exact) for wave in waves)


@pytest.mark.parametrize(("sizes", "activation"), [((5, 4, 3, 2), "tanh"), ((4, 3, 3, 4), "relu")])
def test_large_deep_students_start_with_mini_batches(sizes, activation):
    truth = random_teacher(sizes, activation, 0)
    pool = module._Pool(open_source(Teacher.from_network(truth), RecoverOptions().queries, 0), truth.activation,
                        ExpandOptions(trainers=(LMOptions(largest_matrix=1000),)), silent, keep_all=False, least=1)
    first, *_, last = pool._trainers((4, 9, 9, 2))
    assert isinstance(first, AdamOptions) and isinstance(last, LMOptions) and last.damping < LMOptions().damping
    options = RecoverOptions(expand=dataclasses.replace(pool.options, widths=(8, 12)))
    found = recover(Teacher.from_network(truth), activation=activation, hidden_layers=2, options=options)
    assert found.verdict is Verdict.EXACT and compare(found.network, truth).max_parameter_error < 1e-10
