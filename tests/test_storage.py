"""Dataclasses in files: what was written is read, what is damaged is refused, nothing is half written."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.problems import random_teacher

from expandcluster.activations import get_activation
from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.networks import Network
from expandcluster.storage import load, names, pack, read_arrays, unpack, write_arrays, write_bytes, write_json


@dataclasses.dataclass(frozen=True)
class Leaf:
    array: np.ndarray
    number: float
    text: str | None = None


@dataclasses.dataclass(frozen=True)
class Tree:
    leaves: tuple[Any, ...]
    network: Network | None
    flag: bool


CLASSES = {**names([Leaf, Tree]), "Network": Network}
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
ARRAYS = st.sampled_from([np.float64, np.float32, np.int64, np.bool_]).flatmap(lambda kind: hnp.arrays(kind, SHAPES))
LEAVES = st.builds(Leaf, ARRAYS, st.floats(), st.none() | st.text(st.characters(codec="utf-8"), max_size=5))
NETWORKS = st.none() | st.integers(0, 5).map(lambda seed: random_teacher((2, 3, 1), "leaky_relu(0.07)", seed))
TREES = st.builds(Tree, st.lists(LEAVES, max_size=3).map(tuple), NETWORKS, st.booleans())
FIXTURE = [HealthCheck.function_scoped_fixture]


def _write(path: Path, value: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    tree = pack(value, arrays)
    write_arrays(path, arrays, {"value": json.dumps(tree), "more": "kept"})


def _assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        for field in dataclasses.fields(one):
            _assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, float):
        np.testing.assert_equal(one, other)
    elif not callable(one):
        assert one == other


@given(TREES)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=FIXTURE)
def test_what_was_packed_is_unpacked(tmp_path: Path, value: Tree) -> None:
    arrays: dict[str, np.ndarray] = {}
    _assert_same(unpack(json.loads(json.dumps(pack(value, arrays))), arrays, CLASSES), value)
    _write(tmp_path / "v.safetensors", value)
    back, header = load(tmp_path / "v.safetensors", CLASSES)
    _assert_same(back, value)
    assert header["more"] == "kept"


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::-2], np.array(3.0),
                                   np.ones((0, 2))])
def test_arrays_of_every_layout_come_back(array: np.ndarray, tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.safetensors", {"a": array}, {"header": "é"})
    arrays, header = read_arrays(tmp_path / "a.safetensors")
    _assert_same(arrays["a"], array)
    assert header == {"header": "é"}


def test_numbers_of_numpy_and_lists_are_packed_as_plain_ones() -> None:
    packed = pack(Leaf([np.int64(3), np.float32(0.5), np.bool_(True)], 1.0), {})  # type: ignore[arg-type]
    assert packed == {"class": "Leaf", "fields": {"array": [3, 0.5, True], "number": 1.0, "text": None}}
    assert pack(get_activation("elu(0.5)"), {}) == "elu(0.5)"


WRONG = {
    "no value": None,
    "no JSON": "{",
    "too deep": "[" * 100_000,
    "unknown class": json.dumps({"class": "Popen", "fields": {}}),
    "no class": json.dumps({"fields": {}}),
    "no fields": json.dumps({"class": "Leaf"}),
    "fields in a list": json.dumps({"class": "Leaf", "fields": [1]}),
    "class in a list": json.dumps({"class": ["Leaf"], "fields": {}}),
    "missing field": json.dumps({"class": "Leaf", "fields": {"number": 1.0}}),
    "field of another version": json.dumps({"class": "Leaf", "fields": {"array": 1, "number": 1.0, "colour": 1}}),
    "missing array": json.dumps({"array": "a7"}),
    "array in a list": json.dumps({"array": ["a0"]}),
    "no network": json.dumps({"class": "Network", "fields": {"weights": [], "biases": [], "activation": "tanh"}}),
}


@pytest.mark.parametrize("case", WRONG)
def test_contents_that_do_not_fit_are_refused(case: str, tmp_path: Path) -> None:
    value = WRONG[case]
    write_arrays(tmp_path / "v.safetensors", {"a0": np.ones(2)}, {} if value is None else {"value": value})
    with pytest.raises(BadInput, match=r"got contents that do not fit .*; expected a file of this version.*new run"):
        load(tmp_path / "v.safetensors", CLASSES)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(BadInput, match=r"got no such file; expected a safetensors file.*Check the path"):
            load(path, CLASSES)


@given(st.data())
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=FIXTURE)
def test_damaged_files_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    value = Tree((Leaf(np.arange(3.0), 0.5, "text"),), random_teacher((2, 3, 1), "tanh", 0), True)
    path = tmp_path / "v.safetensors"
    _write(path, value)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3), label="flips")):
        bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
        whole[bit // 8] ^= 1 << bit % 8
    end = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole) - 1)), label="cut to")
    path.write_bytes(bytes(whole[:end]))
    try:
        load(path, CLASSES)
    except BadInput as error:
        assert error.got and error.expected and error.remedy


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=FIXTURE)
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.safetensors").write_bytes(data)
    with pytest.raises(BadInput, match=r"got a damaged or unreadable file"):
        load(tmp_path / "v.safetensors", CLASSES)


def test_json_is_strict(tmp_path: Path) -> None:
    values = {"nan": float("nan"), "inf": [float("inf"), 1.5], "numpy": np.float64("nan"), "seed": np.int64(3), 1: (2,),
              "single": np.float32(0.5), "nested": {"flag": np.bool_(True), "none": None}}
    write_json(tmp_path / "v.json", values)  # type: ignore[arg-type]
    text = (tmp_path / "v.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "nan": None, "inf": [None, 1.5], "numpy": None, "seed": 3, "1": [2], "single": 0.5,
        "nested": {"flag": True, "none": None}}


def test_folders_are_made_and_modes_are_those_of_new_files(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c", b"1")
    (tmp_path / "plain").write_bytes(b"1")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"1"
    ours, plain = (stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("a/b/c", "plain"))
    assert ours == plain


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(call: str, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "v", b"old")

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", fail)
        with pytest.raises(ExpandClusterError, match=r"v could not be written \(No space left.*nothing .* lost.*Free"):
            write_bytes(tmp_path / "v", b"new")
    assert (tmp_path / "v").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["v"]


def test_a_write_that_is_killed_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "v", b"old")

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_bytes(tmp_path / "v", b"new")
    assert (tmp_path / "v").read_bytes() == b"old"
