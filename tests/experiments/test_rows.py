"""The file of rows: what was written comes back, what was cut off or damaged is not taken for a row."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tests.experiments.example_rows import ROW, row

from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.experiments.rows import append_row, read_rows


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [ROW, row(seed=1, rho=None), row(seed=2, found=None, max_parameter_error=None, losses=())]
    assert read_rows(path) == ()
    for number, one in enumerate(rows, start=1):
        append_row(path, one)
        assert read_rows(path) == tuple(rows[:number])


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, row(losses=(math.nan, math.inf, 1e-3), relative_loss=math.inf))
    found = read_rows(path)[0]
    assert found.losses == (None, None, 1e-3) and found.relative_loss is None
    assert json.loads(path.read_text())["losses"] == [None, None, 1e-3]


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_torn_last_line_is_taken_away(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for seed in range(3):
        append_row(path, row(seed=seed))
    path.write_bytes(path.read_bytes()[:-cut])
    assert [found.seed for found in read_rows(path)] == [0, 1]
    append_row(path, row(seed=7))
    assert [found.seed for found in read_rows(path)] == [0, 1, 7]


@pytest.mark.parametrize("line", ["", "{}", "null", "7", '{"losses": 1}', "not json", "[" * 100_000,
                                  json.dumps({"inputs": 1, "losses": []}), json.dumps({"losses": [], "other": 1})])
def test_a_damaged_line_is_refused_and_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, ROW)
    good = path.read_text()
    path.write_text(good + line + "\n" + good)
    with pytest.raises(BadInput, match="line 2") as caught:
        read_rows(path)
    assert "Remove that line" in str(caught.value)
    assert path.read_text() == good + line + "\n" + good


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(BadInput, match="line 1"):
        read_rows(path)


def test_a_folder_that_cannot_be_written_says_what_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ExpandClusterError, match="earlier rows are kept"):
        append_row(tmp_path / "nowhere" / "rows.jsonl", ROW)


def test_what_a_row_says_of_its_problem() -> None:
    assert ROW.reached == 2 and ROW.recovered and not ROW.wrongly_exact
    assert not row(max_parameter_error=2e-8).recovered and not row(max_parameter_error=None).recovered
    assert row(max_parameter_error=2e-8).wrongly_exact
    assert not row(max_parameter_error=2e-8, verdict="IMPRECISE").wrongly_exact
    assert len({row(**change).key for change in ({}, {"seed": 1}, {"rho": 2.0}, {"rho": None}, {"settings": "paper"},
                                                 {"inputs": 2}, {"hidden": 2})}) == 7
