"""Tables in .csv and .parquet files: columns named x... are inputs, columns named y... outputs."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np

from expandcluster.errors import BadInput, MissingExtra

__all__ = ["LAYOUT", "read_columns"]

LAYOUT = "columns named x... (inputs) and y... (outputs), for example x1,x2,y1"


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Arrays x and y ``(samples, columns)``, as far as the table has them.

    Raises:
        BadInput: a line is no row of numbers, or a column has another name.
        MissingExtra: the extra ``parquet`` is not installed.
    """
    return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        values: list[list[float]] = []
        for number, row in enumerate(rows, start=2):
            if not row:
                continue
            if len(row) != len(header):
                raise BadInput(f"table {path}", got=f"{len(row)} values in line {number}",
                               expected=f"{len(header)} as in the first line", remedy="Mend that line.")
            try:
                values.append([float(cell) for cell in row])
            except ValueError as error:
                raise BadInput(f"table {path}", got=f"what is no number in line {number} ({error})",
                               expected="numbers", remedy="Mend that line.") from error
    return _by_name(header, list(np.array(values, dtype=np.float64).reshape(-1, len(header)).T))


def _read_parquet(path: Path) -> dict[str, np.ndarray]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    table = parquet.read_table(path)
    return _by_name(table.column_names, [table.column(i).to_numpy() for i in range(table.num_columns)])


def _by_name(header: list[str], columns: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Columns whose names begin with x and with y, in their order; x and y keep their own types."""
    places = {letter: [i for i, name in enumerate(header) if name[:1].lower() == letter] for letter in "xy"}
    stray = sorted(set(range(len(header))) - set(itertools.chain(*places.values())))
    if stray:
        raise BadInput("table", got=f"a column named '{header[stray[0]]}'", expected=LAYOUT,
                       remedy="Name every column in the first line.")
    return {letter: np.column_stack([columns[i] for i in at]) for letter, at in places.items() if at}
