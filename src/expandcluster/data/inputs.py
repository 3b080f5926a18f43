"""Inputs from a file: one function for all formats, and what they are made into."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.data.arrays import choose, read_npy, read_npz
from expandcluster.data.cifar import pickles, read_batch, read_cifar
from expandcluster.data.columns import LAYOUT, read_columns
from expandcluster.data.files import explained, is_pickle, start_of, unzipped
from expandcluster.data.idx import is_idx, read_idx
from expandcluster.errors import BadInput

__all__ = ["Inputs", "image_shape", "numbers", "plain", "read_array", "read_both", "read_inputs", "rows"]

_FORMATS = (".npy, .npz, .csv, .parquet, idx (also .gz), CIFAR's binary version (.tar.gz, .bin), or a folder of .png "
            "or .jpg images")
_TABLES = (".npz", ".csv", ".parquet")
_ARCHIVES = (".tar.gz", ".tgz", ".tar")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Inputs of a teacher, one a row.

    Attributes:
        x: ``(samples, inputs)``, float64.
        image_shape: of one input, if they are images: ``(rows, columns)``, for colour images
            ``(rows, columns, 3)`` or ``(3, rows, columns)`` as the file has them; else ``None``.
    """

    x: np.ndarray
    image_shape: tuple[int, ...] | None = None


def read_inputs(path: str | os.PathLike[str], member: str | None = None, *, unit: bool = True) -> Inputs:
    """Inputs from a file of arrays, a table, or images.

    | file | what is read |
    |---|---|
    | ``.npy``, ``.npz`` | an array; of several the one named x, or ``member`` |
    | ``.csv``, ``.parquet`` | the columns named x... |
    | idx, also ``.gz`` | MNIST, Fashion-MNIST: ``train-images-idx3-ubyte.gz`` |
    | ``.tar.gz``, ``.tar``, ``.bin`` | CIFAR-10 and CIFAR-100, binary version; ``member`` is train, test or a file |
    | a folder | ``.png`` and ``.jpg`` images of one size (extra ``images``) |

    Args:
        path: of the file; ``"mnist.npz:x_train"`` names the member too.
        member: which of the arrays or parts in it.
        unit: bytes of images become numbers from 0 to 1 (they are divided by 255); else they stay 0 to 255.
            Whatever is no image of bytes is left as it is.

    Raises:
        BadInput: the file is missing, damaged, too large, or of no such format.
        MissingExtra: the extra ``parquet`` or ``images`` is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "digits.npz"
        >>> np.savez(path, x_train=np.full((5, 28, 28), 255, np.uint8), y_train=np.arange(5))
        >>> inputs = read_inputs(f"{path}:x_train")
        >>> inputs.x.shape, inputs.x.max().item(), inputs.image_shape
        ((5, 784), 1.0, (28, 28))
    """
    found = read_array(path, "x", member)
    return Inputs(rows(found, f"inputs in {path}", unit=unit).astype(np.float64), image_shape(found))


def read_array(path: str | os.PathLike[str], usual: str, member: str | None = None) -> np.ndarray:
    """The array in a file as it stands there ``(samples, ...)``.

    Args:
        path: see :func:`read_inputs`.
        usual: ``"x"`` or ``"y"``: the array or columns that are meant where no member is named.
        member: which of the arrays or parts in it.

    Raises:
        BadInput: see :func:`read_inputs`.
    """
    file, member = _split(path, member)
    if file.is_dir():
        from expandcluster.data.pictures import read_folder

        with explained(file, folder=True):
            return _whole(file, member, read_folder(file))
    with explained(file):
        return _read(file, usual, member)


def read_both(path: Path) -> dict[str, np.ndarray]:
    """The arrays x and y of a table in one file, as far as they are there.

    Raises:
        BadInput: the file is missing, damaged, or no table.
    """
    if path.suffix.lower() not in _TABLES:
        raise BadInput(f"table {path}", got=f"a file ending in '{path.suffix}'", expected=" or ".join(_TABLES),
                       remedy="Save the table in one of these formats, or give inputs and outputs in two files.")
    with explained(path):
        return read_npz(path, ("x", "y")) if path.suffix.lower() == ".npz" else read_columns(path)


def image_shape(array: np.ndarray) -> tuple[int, ...] | None:
    """Of one sample of ``array``, if its samples have the shape of grey or colour images.

    Example:
        >>> image_shape(np.ones((5, 8, 6))), image_shape(np.ones((5, 8, 6, 1))), image_shape(np.ones((5, 48)))
        ((8, 6), (8, 6), None)
    """
    shape = array.shape[1:]
    if len(shape) == 3 and 1 in (shape[0], shape[2]):
        shape = shape[:2] if shape[2] == 1 else shape[1:]
    return shape if len(shape) == 2 or (len(shape) == 3 and 3 in (shape[0], shape[2])) else None


def rows(array: Any, what: str, *, unit: bool = True) -> np.ndarray:
    """One row ``(columns,)`` for each sample, of images their pixels; bytes of images from 0 to 1 where ``unit``.

    Raises:
        BadInput: it holds something else than numbers.
    """
    array = numbers(array, what)
    if unit and array.dtype == np.uint8 and image_shape(array) is not None:
        array = array / 255.0
    return np.asarray(array.reshape(len(array), math.prod(array.shape[1:])))


def numbers(array: Any, what: str) -> np.ndarray:
    """An array of samples, each of one or more numbers; a single column for an array of one dimension.

    Raises:
        BadInput: it holds something else.
    """
    try:
        array = plain(array)
    except (TypeError, ValueError) as error:
        raise BadInput(what, got=f"rows of different length, or what is no number ({error})",
                       expected="an array of numbers", remedy="Give every row the same number of numbers.") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim < 2 or 0 in array.shape[1:]:
        raise BadInput(what, got=f"an array of shape {array.shape}", expected="rows of numbers (samples, columns)",
                       remedy="Give one row for every sample.")
    return np.asarray(array)


def plain(value: Any) -> np.ndarray:
    """An array of real numbers, whatever its shape.

    Raises:
        TypeError, ValueError: it is none.
    """
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise TypeError("complex numbers")
    return array if array.dtype.kind in "fiub" else array.astype(np.float64)


def _split(path: str | os.PathLike[str], member: str | None) -> tuple[Path, str | None]:
    """``FILE:MEMBER`` in its parts, where there is no file of that whole name."""
    file = Path(path)
    before, colon, after = str(path).rpartition(":")
    if member is None and colon and after and not file.exists() and Path(before).is_file():
        return Path(before), after
    return file, member


def _read(path: Path, usual: str, member: str | None) -> np.ndarray:
    name = path.name.lower()
    if name.endswith(".npz"):
        return _member(path, choose(path, usual, member))
    if name.endswith(_ARCHIVES):
        return read_cifar(path, member)
    if name.endswith((".csv", ".parquet")):
        columns = read_columns(path)
        if usual not in columns:
            raise BadInput(f"table {path}", got=f"no {usual}", expected=LAYOUT, remedy="Rename the columns.")
        return _whole(path, member, columns[usual])
    if name.endswith(".npy"):
        return _whole(path, member, read_npy(path))
    if name.endswith(".bin"):
        return _whole(path, member, read_batch(unzipped(path), path.name))
    start = start_of(path)
    if is_idx(start) or "-idx" in name or ".idx" in name:
        return _whole(path, member, read_idx(path))
    if is_pickle(start):
        raise pickles(path)
    raise BadInput(f"inputs in {path}", got="a file of no known format", expected=_FORMATS,
                   remedy="Save the numbers in one of these formats.")


def _member(path: Path, name: str) -> np.ndarray:
    """An array of a .npz file; of JPEG files the images."""
    offsets = "offsets" + name.removeprefix("jpeg")
    arrays = read_npz(path, (name, offsets))
    if name.startswith("jpeg") and offsets in arrays:
        from expandcluster.data.pictures import read_jpegs

        return read_jpegs(arrays[name], arrays[offsets], f"array {name} of {path}")
    return arrays[name]


def _whole(path: Path, member: str | None, array: np.ndarray) -> np.ndarray:
    if member is not None:
        raise BadInput(f"inputs in {path}", got=f"a member '{member}'", expected="none: the file holds one array",
                       remedy=f"Name {path.name} alone.")
    return array
