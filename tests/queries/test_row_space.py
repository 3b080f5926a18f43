"""The row space of the first layer: found where there is one, and not where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.options import QueryOptions
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
    assert np.abs(outside).max() < 1e-7


def test_float32_answers():
    network = random_teacher((20, 4, 2), "tanh", 0)
    rows = _rows(Teacher.from_callable(lambda x: network(x.astype(np.float32)).astype(np.float32), 20))
    assert rows.rank == 4


@pytest.mark.parametrize("sizes", [(4, 9, 2), (6, 6, 1)])
def test_nothing_to_reduce(sizes):
    assert _rows(Teacher.from_network(random_teacher(sizes, "tanh", 0))).basis is None


def test_given_inputs_tables_and_small_budgets_are_left_alone():
    network = random_teacher((12, 3, 2), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(100, 12))
    assert _rows(Teacher.from_network(network), inputs=x).basis is None
    assert _rows(Teacher.from_data(x, network(x))).basis is None
    assert _rows(Teacher.from_network(network), QueryOptions(max_queries=60)).basis is None
