"""Streams of samples: seeded, independent of how they are asked for, held out, within the budget."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher
from threadpoolctl import threadpool_limits

from expandcluster.errors import BadInput, BudgetSpent
from expandcluster.options import QueryOptions
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.source import open_source
from expandcluster.teachers.base import Teacher


def _source(options: QueryOptions | None = None, seed: int = 0, **settings):
    teacher = Teacher.from_network(random_teacher((4, 3, 2), "tanh", 0))
    return open_source(teacher, options or QueryOptions(), seed, **settings)


def test_a_row_does_not_depend_on_how_many_are_asked_with_it():
    once, twice = _source(), _source()
    twice.samples(17)
    twice.samples(500)
    np.testing.assert_array_equal(once.samples(900).x, twice.samples(900).x)


def test_streams_and_seeds_differ():
    source = _source()
    train, held, check = source.samples(50).x, source.held_out(50).x, source.check(50).x
    assert not np.intersect1d(train, held).size and not np.intersect1d(train, check).size
    assert not np.array_equal(train, _source(seed=1).samples(50).x)


def test_answers_are_the_teachers():
    source = _source()
    samples = source.samples(20)
    np.testing.assert_array_equal(samples.y, random_teacher((4, 3, 2), "tanh", 0)(samples.x))


def test_every_query_is_counted_once():
    source = _source()
    source.samples(100)
    source.samples(60)
    source.held_out(10)
    assert source.queries == 110


def test_the_budget_is_a_hard_limit():
    source = _source(QueryOptions(max_queries=70))
    assert len(source.samples(100).x) == 70
    assert source.available == 0 and source.queries == 70
    with pytest.raises(BudgetSpent, match="70"):
        source.ask(np.zeros((1, 4)))


def test_scale_is_the_standard_deviation_of_the_inputs():
    source = _source(QueryOptions(scale=5.0))
    assert source.samples(4000).x.std() == pytest.approx(1.0, rel=0.05)  # in the students' coordinates
    assert source.full(4000).x.std() == pytest.approx(5.0, rel=0.05)


def test_given_inputs_only():
    rows = np.random.default_rng(0).uniform(size=(50, 4))
    source = _source(inputs=rows)
    asked = np.concatenate([source.full(100).x, source.check(100).x])
    assert {tuple(r) for r in asked} == {tuple(r) for r in rows}
    samples = source.samples(100)  # in units of the rows
    np.testing.assert_allclose(source.coordinates.outside(samples.x), source.full(100).x)
    assert abs(samples.x.mean()) < 0.1 and samples.x.std() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("rows", [np.zeros((50, 3)), np.zeros((5, 4)), np.full((50, 4), np.nan), np.zeros(50)])
def test_inputs_that_do_not_fit_are_refused(rows):
    with pytest.raises(BadInput, match="rows of 4 numbers"):
        _source(inputs=rows)


def test_samples_inside_a_subspace_are_its_coordinates():
    source = _source()
    source.keep_to(np.linalg.qr(np.random.default_rng(0).normal(size=(4, 2)))[0])
    samples = source.samples(30)
    assert samples.x.shape == (30, 2)
    np.testing.assert_allclose(samples.y, random_teacher((4, 3, 2), "tanh", 0)(samples.x @ source.basis.T), atol=1e-12)
    full = source.full(20)  # those thirty, and twenty that lie anywhere
    assert full.x.shape == (50, 4)
    outside = np.linalg.norm(full.x - full.x @ source.basis @ source.basis.T, axis=1)
    assert (outside[:30] < 1e-12).all() and (outside[30:] > 1e-3).all()


def test_a_float32_teacher_is_asked_what_it_can_see():
    network = random_teacher((4, 3, 2), "tanh", 0)
    teacher = Teacher.from_callable(lambda x: network(x).astype(np.float32), 4)
    x = open_source(teacher, QueryOptions(), 0).samples(20).x
    np.testing.assert_array_equal(x, x.astype(np.float32))


def test_a_table_is_split_and_never_asked():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4))
    source = open_source(Teacher.from_data(x, x[:, :2]), QueryOptions(), 0)
    train, held = source.full(1), source.check(1000)
    assert len(train.x) == 90 and len(held.x) == 10 and source.queries == 100 and source.available == 0
    assert not np.intersect1d(train.x[:, 0], held.x[:, 0]).size


def test_a_budget_limits_the_rows_of_a_table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4))
    source = open_source(Teacher.from_data(x, x[:, :2]), QueryOptions(max_queries=40), 0)
    assert source.queries == 40 and len(source.full(1).x) + len(source.held_out(100).x) == 40


def test_axes_of_given_rows_do_not_depend_on_the_threads():
    """A run that goes on where there are others must find its students' coordinates again."""
    x = np.random.default_rng(0).normal(size=(4000, 300)) * np.geomspace(1.0, 1e-5, 300)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(Coordinates.of_rows(x).basis)
    assert np.array_equal(*found)
