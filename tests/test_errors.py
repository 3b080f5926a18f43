"""One family of errors, each with what came, what was expected and what to do."""

from __future__ import annotations

import pickle

import pytest

from expandcluster import errors
from expandcluster.errors import BadInput, BudgetSpent, ExpandClusterError, MissingExtra, RunFolderError, TeacherError


def test_every_error_is_of_the_family_and_exported() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert sorted(c.__name__ for c in classes) == errors.__all__
    assert all(issubclass(c, ExpandClusterError) for c in classes)


@pytest.mark.parametrize("kind", [BadInput, TeacherError, RunFolderError])
def test_bad_input_says_what_came_what_was_expected_and_what_to_do(kind: type[BadInput]) -> None:
    error = kind("outputs of the table", got="3 rows", expected="4 rows", remedy="Add one.")
    assert isinstance(error, ValueError) and isinstance(error, BadInput)
    assert str(error) == "outputs of the table: got 3 rows; expected 4 rows. Add one."
    assert (error.what, error.got, error.expected, error.remedy) == (
        "outputs of the table", "3 rows", "4 rows", "Add one.")


def test_bad_input_needs_every_part() -> None:
    with pytest.raises(TypeError):
        BadInput("network")  # type: ignore[call-arg]


def test_missing_extra_says_how_to_install_it() -> None:
    error = MissingExtra("onnxruntime", "onnx")
    assert isinstance(error, ImportError)
    assert "pip install 'expandcluster[onnx]'" in str(error)
    assert (error.package, error.extra) == ("onnxruntime", "onnx")


def test_budget_spent_is_no_value_error() -> None:
    assert not issubclass(BudgetSpent, ValueError)


def test_budget_spent_survives_a_trip_to_another_process() -> None:
    error = BudgetSpent("next batch: 40 of 30 queries")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
