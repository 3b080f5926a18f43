"""NumPy's files: .npy, and the members of .npz."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from expandcluster.data.files import check_size
from expandcluster.errors import BadInput

__all__ = ["choose", "names_in", "read_npy", "read_npz"]

_SHOWN = 20


def read_npy(path: Path) -> np.ndarray:
    """The array of a .npy file; pickled objects are never loaded."""
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("several arrays")
    return found


def names_in(path: Path) -> list[str]:
    """Names of the arrays in a .npz file."""
    with zipfile.ZipFile(path) as file:
        return [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]


def read_npz(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of the named arrays that are in a .npz file; pickled objects are never loaded.

    Raises:
        BadInput: one of them would take too much memory.
    """
    with zipfile.ZipFile(path) as file:
        for entry in file.infolist():
            if entry.filename.removesuffix(".npy") in names:
                check_size(entry.file_size, f"array {entry.filename.removesuffix('.npy')} of {path}")
    with np.load(path, allow_pickle=False) as file:
        return {name: np.asarray(file[name]) for name in file.files if name in names}


def choose(path: Path, usual: str, member: str | None) -> str:
    """The array that is meant: the one named, the usual one, or the only one.

    Raises:
        BadInput: it is not there, or it is not clear which one.
    """
    names = names_in(path)
    if member is None and usual in names:
        return usual
    if member is None and len(names) == 1:
        return names[0]
    if member in names:
        return str(member)
    there = ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
    raise BadInput(f"arrays in {path}", got=f"no {member or usual}, but {there or 'nothing'}",
                   expected=f"an array {member or usual}", remedy=f"Say which array you mean: {path.name}:NAME.")
