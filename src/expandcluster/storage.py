"""Frozen dataclasses in files: arrays as safetensors, the rest as JSON in the same file's header.

Files are written to a temporary name, synced and renamed, so a reader sees the old file or the new
one and never half of one. Nothing is ever unpickled, and only classes named by the caller are built.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from expandcluster.activations import Activation
from expandcluster.errors import BadInput, ExpandClusterError

__all__ = ["array_names", "load", "names", "pack", "read_arrays", "strict", "unpack", "write_arrays", "write_bytes",
           "write_json"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file at once or not at all.

    Raises:
        ExpandClusterError: the disk is full or the folder cannot be written; nothing was lost.
    """
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise ExpandClusterError(f"{path} could not be written ({error.strerror or error}); nothing that was there "
                                 "before is lost. Free space or choose another folder.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write strict JSON (NaN and infinities become null), atomically."""
    write_bytes(path, (json.dumps(strict(values), indent=2, allow_nan=False) + "\n").encode())


def strict(value: Any) -> Any:
    """``value`` as strict JSON has it: NaN and infinities become null, NumPy's numbers Python's."""
    if isinstance(value, dict):
        return {str(key): strict(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_arrays(path: Path, arrays: dict[str, np.ndarray], header: dict[str, str]) -> None:
    """Write a safetensors file, atomically."""
    write_bytes(path, save({name: np.asarray(a, order="C") for name, a in arrays.items()}, metadata=header))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and header of a safetensors file.

    Raises:
        BadInput: the file is missing or damaged.
    """
    return _read(path, lambda file: ({name: file.get_tensor(name) for name in file.keys()},  # noqa: SIM118
                                     dict(file.metadata() or {})))


def array_names(path: Path) -> list[str]:
    """Names of the arrays of a safetensors file, which are not read; raises as :func:`read_arrays`."""
    return _read(path, lambda file: list(file.keys()))


def _read(path: Path, what: Callable[[Any], Any]) -> Any:
    if not path.is_file():
        raise BadInput(f"file {path}", got="no such file", expected="a safetensors file", remedy="Check the path.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            return what(file)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadInput(f"file {path}", got=f"a damaged or unreadable file ({error})",
                       expected="a complete safetensors file", remedy="Write it again.") from error


def pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON; its arrays are moved to ``arrays`` and, like activations, replaced by their names."""
    if isinstance(value, Activation):
        return value.name
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": fields}
    if isinstance(value, (tuple, list)):
        return [pack(entry, arrays) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def unpack(tree: Any, arrays: dict[str, np.ndarray], classes: dict[str, Callable[..., Any]]) -> Any:
    """The inverse of :func:`pack`; sequences come back as tuples."""
    if isinstance(tree, list):
        return tuple(unpack(entry, arrays, classes) for entry in tree)
    if isinstance(tree, dict) and "array" in tree:
        return arrays[tree["array"]]
    if isinstance(tree, dict):
        return classes[tree["class"]](**{k: unpack(v, arrays, classes) for k, v in tree["fields"].items()})
    return tree


def load(path: Path, classes: dict[str, Callable[..., Any]]) -> tuple[Any, dict[str, str]]:
    """A packed value and the header of its file.

    Raises:
        BadInput: the file is missing, damaged, or of another version.
    """
    arrays, header = read_arrays(path)
    try:
        return unpack(json.loads(header["value"]), arrays, classes), header
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise BadInput(f"file {path}", got=f"contents that do not fit ({error})", expected="a file of this version",
                       remedy="Start a new run in another folder.") from error


def names(classes: Sequence[type]) -> dict[str, Callable[..., Any]]:
    """Classes by their names, for :func:`unpack`."""
    return {c.__name__: c for c in classes}
