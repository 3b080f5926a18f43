"""The teacher's precision is learnt from its answers; teachers that cannot be recovered are refused."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.errors import TeacherError
from expandcluster.options import QueryOptions
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import open_source
from expandcluster.teachers.base import Teacher

NETWORK = random_teacher((5, 4, 2), "tanh", 0)


def _probe(function, options: QueryOptions | None = None):
    teacher = Teacher.from_callable(function, 5)
    return probe_teacher(open_source(teacher, options or QueryOptions(), 0))


def test_float64_is_at_rounding():
    probe = _probe(NETWORK)
    assert 1e-17 < probe.noise < 3e-15 and not probe.single and not probe.changing


def test_float32_is_told_from_its_answers():
    probe = _probe(lambda x: NETWORK(x).astype(np.float32))
    assert 1e-9 < probe.noise < 3e-7 and probe.single


@pytest.mark.parametrize("noise", [1e-8, 1e-5, 1e-2])
def test_noise_is_measured_to_a_factor_of_two(noise):
    rng = np.random.default_rng(0)
    spread = float(np.sqrt(np.mean((NETWORK(rng.normal(size=(2000, 5))) - NETWORK(np.zeros((1, 5)))) ** 2)))
    probe = _probe(lambda x: NETWORK(x) + noise * spread * rng.normal(size=(len(x), 2)), QueryOptions(noisy=True))
    assert noise / 2 < probe.noise < 2 * noise and probe.changing


@pytest.mark.parametrize("digits", [3, 6])
def test_rounded_answers_have_the_noise_of_rounding(digits):
    probe = _probe(lambda x: np.round(NETWORK(x), digits))
    assert 0.05 * 10.0**-digits < probe.noise < 10.0**-digits


def test_changing_answers_are_refused_unless_noise_is_allowed():
    rng = np.random.default_rng(0)
    with pytest.raises(TeacherError, match=r"differ by .* noisy"):
        _probe(lambda x: NETWORK(x) + rng.normal(size=(len(x), 2)))


def test_a_constant_teacher_is_refused():
    with pytest.raises(TeacherError, match="same answer to every input"):
        _probe(lambda x: np.ones((len(x), 2)))


def test_answers_that_are_not_finite_are_refused():
    with pytest.raises(TeacherError, match="NaN or infinite"):
        _probe(lambda x: np.where(x[:, :2] > 1.0, np.nan, x[:, :2]))


def test_a_table_has_the_noise_that_is_stated():
    x = np.random.default_rng(0).normal(size=(100, 5))
    source = open_source(Teacher.from_data(x, NETWORK(x)), QueryOptions(noise=0.01), 0)
    assert probe_teacher(source).noise == 0.01
