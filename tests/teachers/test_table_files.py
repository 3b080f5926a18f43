"""Files of tables and networks: what was written is read, what is damaged is refused."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.problems import random_teacher

from expandcluster.data import Inputs, read_inputs
from expandcluster.errors import BadInput
from expandcluster.export import load_network, open_network, save_network
from expandcluster.export.onnx_file import network_from_onnx, network_to_onnx
from expandcluster.networks import Network
from expandcluster.teachers import Teacher, open_teacher
from expandcluster.teachers.table import TableTeacher, read_table

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2)), RNG.normal(size=(12, 3))
NETWORK = random_teacher((2, 3, 1), "tanh", 0)


def _write(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    if path.suffix == ".npz":
        np.savez(path, x=x, y=y)
        return
    columns = {**{f"x{i}": x[:, i] for i in range(x.shape[1])}, **{f"y{i}": y[:, i] for i in range(y.shape[1])}}
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(columns), path)
        return
    rows = [",".join(columns), *(",".join(map(repr, map(float, row))) for row in np.column_stack([x, y]))]
    path.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_tables_come_back_as_they_were(suffix: str, tmp_path: Path) -> None:
    _write(tmp_path / f"t{suffix}", X, Y)
    table = read_table(tmp_path / f"t{suffix}")
    np.testing.assert_array_equal(table.x, X)
    np.testing.assert_array_equal(table.y, Y)
    assert (table.inputs, table.outputs, table.dtype, table.name) == (2, 3, np.float64, f"t{suffix}")
    np.testing.assert_array_equal(read_inputs(tmp_path / f"t{suffix}").x, X)
    opened = open_teacher(str(tmp_path / f"t{suffix}"))
    assert isinstance(opened, TableTeacher) and opened.fingerprint == table.fingerprint


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("inputs", [np.float32, np.float64])
def test_the_type_of_the_answers_is_kept(suffix: str, inputs: type, tmp_path: Path) -> None:
    _write(tmp_path / f"t{suffix}", X.astype(inputs), Y.astype(np.float32))
    assert read_table(tmp_path / f"t{suffix}").dtype == np.float32


def test_integers_booleans_and_single_columns_are_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.arange(12), y=np.arange(12) > 5)
    table = read_table(tmp_path / "t.npz")
    assert table.dtype == np.float64 and table.x.shape == table.y.shape == (12, 1)
    np.testing.assert_array_equal(table.y[:, 0], np.arange(12) > 5)


def test_columns_may_come_in_any_order_with_any_case_and_spaces(tmp_path: Path) -> None:
    lines = ["\ufeffX_b, y ,x_a", *(f"{i},{i * 2}, {i * 3}" for i in range(12)), ""]
    (tmp_path / "t.csv").write_text("\r\n".join(lines), encoding="utf-8")
    table = read_table(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.x, np.stack([np.arange(12), 3 * np.arange(12)], axis=1))
    np.testing.assert_array_equal(table.y[:, 0], 2 * np.arange(12))


def test_inputs_come_alone_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    np.savez(tmp_path / "x.npz", x=X)
    (tmp_path / "x.csv").write_text("x1\n" + "\n".join("123"))
    assert read_inputs(tmp_path / "x.npy").x.dtype == np.float64
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.npz").x, X)
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.csv").x, [[1.0], [2.0], [3.0]])


GOOD = "\n".join(["x1,x2,y1", *["1,2,3"] * 12])
CSV = {
    "ragged": (GOOD + "\n1,2\n", r"t.csv: got 2 values in line 14; expected 3 as in the first line.*Mend"),
    "too long": (GOOD + "\n1,2,3,4\n", r"got 4 values in line 14; expected 3"),
    "after an empty line": (GOOD + "\n\n1,2\n", r"got 2 values in line 15"),
    "word": (GOOD.replace("1,2,3", "1,cat,3", 1), r"got what is no number in line 2 .*cat.*; expected numbers.*Mend"),
    "empty cell": (GOOD.replace("1,2,3", "1,,3", 1), r"got what is no number in line 2"),
    "no header": ("\n".join(["1,2,3"] * 12), r"got a column named '1'; expected columns named x.*Name every column"),
    "unnamed column": (GOOD.replace("x2", ""), r"got a column named ''; expected columns named x"),
    "other column": (GOOD.replace("x2", "label"), r"got a column named 'label'; expected columns named x"),
    "no outputs": (GOOD.replace("y1", "x3"), r"got no y; expected .*Rename"),
    "no inputs": (GOOD.replace("x", "y"), r"got no x; expected .*Rename"),
    "header only": ("x1,y1\n", r"got 0 rows; expected at least 10"),
    "few rows": ("\n".join(GOOD.split("\n")[:9]), r"got 8 rows; expected at least 10"),
    "nothing": ("", r"expected"),
    "not finite": (GOOD.replace("1,2,3", "1,nan,3", 1), r"inputs of t.csv: got NaN .* in 1 of 12 rows, first in row 1"),
    "no text": ("\x00\x01" * 10, r"expected"),
}


@pytest.mark.parametrize("case", CSV)
def test_csv_that_is_no_table_is_refused(case: str, tmp_path: Path) -> None:
    text, message = CSV[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_table(tmp_path / "t.csv")


class _Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    trap = np.array([_Trap(tmp_path / "sprung")] * 12, dtype=object)
    np.savez(tmp_path / "t.npz", x=X, y=trap)
    np.save(tmp_path / "x.npy", trap)
    for name in ("plain.npz", "plain.npy"):
        (tmp_path / name).write_bytes(pickle.dumps(trap))
    for name in ("t.npz", "plain.npz"):
        with pytest.raises(BadInput, match=r"got a damaged or unreadable file .*pickled objects are never loaded"):
            read_table(tmp_path / name)
    for name in ("x.npy", "plain.npy"):
        with pytest.raises(BadInput, match=r"pickled objects are never loaded"):
            read_inputs(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_npz_without_its_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=X, b=Y)
    with pytest.raises(BadInput, match=r"got no x and no y; expected arrays x and y.*Rename"):
        read_table(tmp_path / "t.npz")
    with pytest.raises(BadInput, match=r"got no x, but a, b; expected an array x"):
        read_inputs(tmp_path / "t.npz")


def test_parquet_of_words_or_lists_is_refused(tmp_path: Path) -> None:
    for values in ([["a"] * 12, [[1.0], [1.0, 2.0]] * 6]):
        parquet.write_table(pa.table({"x": X[:, 0], "y": values}), tmp_path / "t.parquet")
        with pytest.raises(BadInput, match=r"outputs of t.parquet: got .*; expected an array of numbers"):
            read_table(tmp_path / "t.parquet")
    parquet.write_table(pa.table({"x": X[:, 0], "y": [None, *Y[1:, 0].tolist()]}), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match=r"outputs of t.parquet: got NaN or infinite values in 1 of 12 rows"):
        read_table(tmp_path / "t.parquet")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(GOOD)
    with pytest.raises(BadInput, match=r"got a file ending in '.txt'; expected .npz or .csv or .parquet.*Save"):
        read_table(tmp_path / "t.txt")


def _network(path: Path, network: Network) -> None:
    (save_network if path.suffix == ".safetensors" else network_to_onnx)(network, path)


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    ".npz": (read_table, read_inputs), ".csv": (read_table, read_inputs), ".parquet": (read_table, read_inputs),
    ".npy": (read_inputs,), ".onnx": (network_from_onnx, Teacher.from_onnx),
    ".safetensors": (load_network, open_network),
}
FUZZ = settings(max_examples=40, deadline=None, derandomize=True,
                suppress_health_check=[HealthCheck.function_scoped_fixture])


def _whole(suffix: str, folder: Path) -> bytes:
    path = folder / f"whole{suffix}"
    if not path.exists():
        if suffix in (".onnx", ".safetensors"):
            _network(path, NETWORK)
        elif suffix == ".npy":
            np.save(path, X)
        else:
            _write(path, X, Y)
    return path.read_bytes()


def _read_or_refuse(suffix: str, folder: Path, data: bytes) -> None:
    """A damaged file either still gives a valid object, or a BadInput; never another exception."""
    path = folder / f"damaged{suffix}"
    path.write_bytes(data)
    for read in READERS[suffix]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = read(path)
            except BadInput as error:
                assert error.got and error.expected and error.remedy
                continue
        if isinstance(found, Teacher):
            assert found.inputs >= 1 and found.outputs >= 1
            if isinstance(found, TableTeacher):
                assert np.isfinite(found.x).all() and np.isfinite(found.y).all() and len(found.x) == len(found.y)
        elif isinstance(found, Network):
            assert all(np.isfinite(a).all() for a in (*found.weights, *found.biases))
        else:
            assert isinstance(found, Inputs) and found.x.ndim == 2 and found.x.dtype == np.float64


@pytest.mark.parametrize("suffix", READERS)
@given(data=st.binary(max_size=200))
@FUZZ
def test_random_bytes_are_refused(suffix: str, tmp_path: Path, data: bytes) -> None:
    _read_or_refuse(suffix, tmp_path, data)


@pytest.mark.parametrize("suffix", READERS)
@given(data=st.data())
@FUZZ
def test_damaged_files_are_refused_or_read(suffix: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(_whole(suffix, tmp_path))
    end = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole) - 1)), label="cut to")
    for _ in range(data.draw(st.integers(1, 4), label="flips")):
        bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
        whole[bit // 8] ^= 1 << bit % 8
    _read_or_refuse(suffix, tmp_path, bytes(whole[:end]))


@pytest.mark.parametrize("suffix", READERS)
def test_every_cut_is_refused_or_read(suffix: str, tmp_path: Path) -> None:
    whole = _whole(suffix, tmp_path)
    for end in np.linspace(0, len(whole), 30, endpoint=False).astype(int):
        _read_or_refuse(suffix, tmp_path, whole[:end])
    for read in READERS[suffix]:
        (tmp_path / f"damaged{suffix}").write_bytes(whole)
        assert read(tmp_path / f"damaged{suffix}") is not None
