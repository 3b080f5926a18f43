"""A table of inputs and answers as a teacher, and the files it is read from."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.errors import BadInput, MissingExtra
from expandcluster.teachers.base import Teacher

__all__ = ["TableTeacher", "read_inputs", "read_table"]

_LEAST_ROWS = 10
_LAYOUT = "columns named x... (inputs) and y... (outputs), for example x1,x2,y1"


class TableTeacher(Teacher):
    """See :meth:`Teacher.from_data`."""

    def __init__(self, x: Any, y: Any, name: str = "table") -> None:
        x, y = _numbers(x, f"inputs of {name}"), _numbers(y, f"outputs of {name}")
        if len(x) != len(y):
            raise BadInput(name, got=f"{len(x)} rows of inputs and {len(y)} of outputs", expected="as many of each",
                           remedy="Give one row of outputs for each row of inputs.")
        if len(x) < _LEAST_ROWS:
            raise BadInput(name, got=f"{len(x)} rows", expected=f"at least {_LEAST_ROWS} rows",
                           remedy="Collect more samples: several for each parameter of the network.")
        for array, what in ((x, "inputs"), (y, "outputs")):
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if len(bad):
                raise BadInput(f"{what} of {name}", got=f"NaN or infinite values in {len(bad)} of {len(array)} rows, "
                               f"first in row {bad[0] + 1}", expected="finite numbers", remedy="Leave those rows out.")
        dtype = y.dtype if y.dtype in (np.float16, np.float32) else np.float64
        self.x, self.y = x.astype(np.float64), y.astype(np.float64)
        digest = hashlib.sha256(self.x.tobytes() + self.y.tobytes()).hexdigest()[:16]
        super().__init__(x.shape[1], y.shape[1], dtype, name, fingerprint=digest)

    def ask(self, x: np.ndarray) -> np.ndarray:
        """Tables cannot be asked.

        Raises:
            BadInput: always.
        """
        raise BadInput("table", got="a question", expected="none: a table only has the answers it holds",
                       remedy="Use a teacher that can be asked.")


def _numbers(array: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(array)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(what, got=f"rows of different length, or what is no number ({error})",
                       expected="an array of numbers", remedy="Give every row the same number of numbers.") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise BadInput(what, got=f"an array of shape {array.shape}", expected="rows of numbers (samples, columns)",
                       remedy="Flatten every sample to one row.")
    return array


def read_table(path: str | os.PathLike[str]) -> TableTeacher:
    """The table of an .npz (arrays x and y), .csv or .parquet (columns x... and y...) file.

    Raises:
        BadInput: the file is missing, damaged, or has no such columns.
        MissingExtra: the extra ``parquet`` is not installed.
    """
    arrays = _read(Path(path))
    missing = [name for name in "xy" if name not in arrays]
    if missing:
        raise BadInput(f"table {path}", got=f"no {' and no '.join(missing)}",
                       expected=f"arrays x and y, or {_LAYOUT}", remedy="Rename the arrays or columns.")
    return TableTeacher(arrays["x"], arrays["y"], Path(path).name)


def read_inputs(path: str | os.PathLike[str]) -> np.ndarray:
    """Inputs ``(samples, inputs)`` of a .npy file, or the x of a table file.

    Raises:
        BadInput: see :func:`read_table`.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        with _explained(path):
            return _numbers(np.load(path, allow_pickle=False), f"inputs in {path}").astype(np.float64)
    arrays = _read(path)
    if "x" not in arrays:
        raise BadInput(f"inputs in {path}", got="no x", expected=f"an array x, or {_LAYOUT}",
                       remedy="Rename the array or the columns.")
    return _numbers(arrays["x"], f"inputs in {path}").astype(np.float64)


def _read(path: Path) -> dict[str, np.ndarray]:
    readers = {".npz": _read_npz, ".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(f"table {path}", got=f"a file ending in '{path.suffix}'",
                       expected=" or ".join(readers), remedy="Save the table in one of these formats.")
    with _explained(path):
        return reader(path)


class _explained:
    """Turns whatever a reader raises on a damaged file into a BadInput that says so."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        if not self.path.is_file():
            raise BadInput(f"file {self.path}", got="no such file", expected="a file that can be read",
                           remedy="Check the path.")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (BadInput, MissingExtra)):
            raise BadInput(f"file {self.path}", got=f"a damaged or unreadable file ({type(error).__name__}: {error})",
                           expected="a complete file of plain numbers",
                           remedy="Write it again; files with pickled objects are never loaded.") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        if not hasattr(file, "files"):
            raise ValueError("a single array")
        return {name: np.asarray(file[name]) for name in file.files if name in ("x", "y")}


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
        raise BadInput("table", got=f"a column named '{header[stray[0]]}'", expected=_LAYOUT,
                       remedy="Name every column in the first line.")
    return {letter: np.column_stack([columns[i] for i in at]) for letter, at in places.items() if at}
