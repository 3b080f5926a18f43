"""Sums over the rows of an experiment."""

from __future__ import annotations

import math

import pytest
from tests.experiments.example_rows import row

from expandcluster.experiments.summary import seconds_ratio, summarise


def test_one_summary_for_each_settings_and_rho_in_order() -> None:
    rows = [row(settings="paper", rho=4.0), row(rho=8.0), row(rho=None), row(rho=1.0), row(settings="paper", rho=1.0)]
    ways = [(s.settings, s.rho) for s in summarise(rows)]
    assert ways == [("default", None), ("default", 1.0), ("default", 8.0), ("paper", 1.0), ("paper", 4.0)]
    assert summarise([]) == ()


def test_the_sums() -> None:
    rows = [row(seconds=1.0), row(seed=1, seconds=5.0, max_parameter_error=3e-12),
            row(seed=2, seconds=6.0, max_parameter_error=1e-3),  # called exact and is not
            row(seed=3, seconds=0.0, max_parameter_error=None, verdict="CANNOT_IMITATE", students=2,
                losses=(1e-3, None))]
    found = summarise(rows)[0]
    assert (found.problems, found.recovered, found.wrongly_exact) == (4, 2, 1)
    assert found.reached == pytest.approx(6 / 14)
    assert found.worst_error == 3e-12
    assert (found.seconds, found.slowest, found.seconds_per_recovered) == (12.0, 6.0, 6.0)  # of 4 x 3 processor seconds


def test_nothing_recovered_and_no_students() -> None:
    found = summarise([row(students=0, losses=(), max_parameter_error=None, verdict="TOO_FEW_QUERIES")])[0]
    assert (found.recovered, found.reached, found.worst_error) == (0, 0.0, 0.0)
    assert math.isinf(found.seconds_per_recovered)


def test_the_ratio_is_over_problems_that_both_have_solved() -> None:
    paper, ours = ("paper", 4.0), ("default", None)
    rows = [row(settings="paper", processor_seconds=30.0),
            row(settings="paper", seed=1, processor_seconds=50.0, max_parameter_error=None),
            row(settings="paper", seed=2, processor_seconds=1e6),
            row(rho=None, processor_seconds=1.0), row(rho=None, seed=1, processor_seconds=3.0)]
    assert seconds_ratio(rows, paper, ours) == pytest.approx((80.0 / 1) / (4.0 / 2))
    assert math.isnan(seconds_ratio(rows, paper, ("default", 8.0)))
    lost = [row(settings="paper", max_parameter_error=None), row(rho=None)]
    assert math.isinf(seconds_ratio(lost, paper, ours))
    assert math.isnan(seconds_ratio(lost, ours, paper))


def test_rows_of_earlier_versions_have_no_processor_seconds() -> None:
    found = summarise([row(), row(seed=1, processor_seconds=None)])[0]
    assert found.seconds == 4.0 and math.isnan(found.seconds_per_recovered)
