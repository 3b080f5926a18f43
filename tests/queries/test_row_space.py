"""The row space of the first layer: found where there is one, and not where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.row_space import find_row_space
from expandcluster.queries.source import open_source
from expandcluster.teachers.base import Teacher


def _rows(teacher: Teacher, options: QueryOptions | None = None, inputs: np.ndarray | None = None):
    source = open_source(teacher, options or QueryOptions(), 0, inputs)
    return find_row_space(source, probe_teacher(source))


@pytest.mark.parametrize("sizes", [(12, 3, 2), (30, 5, 1), (20, 4, 4, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_the_rank_and_the_space(sizes, activation):
    network = random_teacher(sizes, activation, 1)
    rows = _rows(Teacher.from_network(network))
    assert rows.rank == sizes[1]
    outside = network.weights[0] - network.weights[0] @ rows.basis @ rows.basis.T
    rows_are = np.linalg.norm(network.weights[0], axis=1, keepdims=True)
    assert np.abs(outside / rows_are).max() < 1e-4  # near enough for fine-tuning; training in it is exact in any case


@pytest.mark.parametrize("sizes", [(20, 4, 2), (64, 16, 10), (300, 8, 5)])
def test_float32_answers(sizes):
    network = random_teacher(sizes, "tanh", 0)
    rows = _rows(Teacher.from_callable(lambda x: network(x.astype(np.float32)).astype(np.float32), sizes[0]))
    assert rows.rank == sizes[1]


def test_queries_are_few():
    asked = []
    network = random_teacher((784, 16, 10), "tanh", 0)

    def answer(x):
        asked.append(len(x))
        return network(x)

    source = open_source(Teacher.from_callable(answer, 784, outputs=10, dtype=np.float64), QueryOptions(), 0)
    probe = probe_teacher(source)
    before = sum(asked)
    assert find_row_space(source, probe).rank == 16 and sum(asked) - before <= 2 * 785 + 96


@pytest.mark.parametrize(("digits", "rank"), [(12, 4), (6, 4), (2, None)])
def test_rounded_answers_are_reduced_only_where_the_rank_shows(digits, rank):
    network = random_teacher((40, 4, 3), "tanh", 0)
    events = []
    source = open_source(Teacher.from_callable(lambda x: np.round(network(x), digits), 40), QueryOptions(), 0)
    before = source.queries
    rows = find_row_space(source, probe_teacher(source), progress=events.append)
    assert rows.rank == rank and len(events) == 1
    if rank is None:
        assert "nothing is reduced" in events[0].message and source.queries - before < 300


def test_a_neuron_that_outweighs_the_others_is_not_taken_for_all():
    network = random_teacher((30, 5, 2), "tanh", 0)
    top = network.weights[1].copy()
    top[:, 0] *= 1e4
    assert _rows(Teacher.from_network(Network((network.weights[0], top), network.biases, "tanh"))).rank == 5


@pytest.mark.parametrize("domain", [Domain(0.0, 1.0), Domain(-3.0, 2.0), Domain(low=0.0)])
def test_inside_a_domain(domain):
    network = random_teacher((30, 4, 3), "tanh", 0)
    assert _rows(Teacher.from_network(network), QueryOptions(domain=domain)).rank == 4


@pytest.mark.parametrize("sizes", [(4, 9, 2), (6, 6, 1)])
def test_nothing_to_reduce(sizes):
    assert _rows(Teacher.from_network(random_teacher(sizes, "tanh", 0))).basis is None


def test_given_inputs_tables_and_small_budgets_are_left_alone():
    network = random_teacher((12, 3, 2), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(100, 12))
    assert _rows(Teacher.from_network(network), inputs=x).basis is None
    assert _rows(Teacher.from_data(x, network(x))).basis is None
    assert _rows(Teacher.from_network(network), QueryOptions(max_queries=60)).basis is None
