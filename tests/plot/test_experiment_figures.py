"""Axes of an experiment: shares in cells, losses by rho."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.experiments.example_rows import ROW, row

from expandcluster.errors import BadInput
from expandcluster.experiments.rows import FLOOR
from expandcluster.plot import identifiability, loss_distributions

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def cells(ax: Any) -> np.ndarray:
    image = ax.get_images()[0].get_array()
    return np.ma.filled(image.astype(float), np.nan)


def test_shares_of_students_and_of_teachers() -> None:
    rows = [row(), row(seed=1, max_parameter_error=None), row(inputs=2, students=2, losses=(1e-3, 1e-30))]
    teachers = identifiability(rows, of="teachers", hidden=(2,))
    np.testing.assert_array_equal(cells(teachers), [[np.nan, 1.0], [np.nan, 0.5]])
    assert [text.get_text() for text in teachers.texts] == ["1/1", "1/2"] and len(teachers.patches) == 2
    assert teachers.get_figure().get_size_inches()[0] == pytest.approx(3.3)
    students = identifiability([*rows, row(inputs=4, students=0, losses=())], of="students")
    np.testing.assert_array_equal(cells(students), [[0.5], [np.nan], [0.5]])


def test_none_and_all_are_said_only_of_none_and_all() -> None:
    rows = [row(inputs=2, students=1000, losses=(1e-30,) * 999 + (1.0,)), row(inputs=4, students=1000,
            losses=(1.0,) * 999 + (1e-30,)), row(inputs=8, students=2, losses=(1.0, 1.0)),
            row(inputs=16, students=1, losses=(0.0,))]
    ax = identifiability(rows, of="students")
    assert [text.get_text() for text in ax.texts] == ["99%", "1%", "0%", "100%"]
    dark = [text.get_color() for text in ax.texts]
    assert dark == ["white", "#1a1a1a", "#1a1a1a", "white"]


@pytest.mark.parametrize("rows", [[], [row(rho=1.0), row()], [row(settings="paper"), row()]])
def test_several_ways_of_solving_are_not_mixed(rows: list[Any]) -> None:
    with pytest.raises(BadInput, match="one settings and one rho"):
        identifiability(rows)


def test_what_is_counted_is_checked() -> None:
    with pytest.raises(BadInput, match="'students' or 'teachers'"):
        identifiability([ROW], of="neurons")  # type: ignore[arg-type]


def test_every_student_is_a_point_and_the_floor_a_line() -> None:
    rows = [row(), row(seed=1), row(rho=None, losses=(0.0, 1e-12, 3e5), students=3)]
    ax = loss_distributions(rows, rhos=(2.0,))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["search", "2", "4\n2 lost"]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [len(line.get_ydata()) for line in points] == [3, 6]
    drawn = np.concatenate([np.asarray(line.get_ydata()) for line in points])
    low, high = ax.get_ylim()
    assert ax.get_yscale() == "log" and low <= drawn.min() and drawn.max() <= high
    assert any(np.allclose(np.asarray(line.get_ydata(), float), FLOOR, rtol=1e-9, atol=0) for line in ax.lines)
    assert [text.get_text() for text in ax.texts] == ["33%", "50%"]


def test_without_rows_it_says_so() -> None:
    assert loss_distributions([]).texts[0].get_text() == "not run"
    assert loss_distributions([], rhos=(1.0,)).texts[0].get_text() == "not run"
    with pytest.raises(BadInput, match="one settings"):
        loss_distributions([row(settings="paper"), row()])
