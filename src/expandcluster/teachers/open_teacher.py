"""A teacher from what is written on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.queries.domain import Domain, Region
from expandcluster.teachers.base import Teacher

if TYPE_CHECKING:
    from expandcluster.teachers.http_teacher import HttpOptions

__all__ = ["import_object", "open_teacher"]

_FORMATS = ".onnx, .npz, .csv, .parquet, .safetensors, module:function, or http://host:port/v2/models/NAME"
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pt2", ".dill", ".npy")


def open_teacher(text: str, input_size: int | None = None, http: HttpOptions | None = None,
                 domain: Domain | None = None, *, probabilities: bool = False, outputs: str | None = None) -> Teacher:
    """The teacher in an .onnx file, a table, a safetensors network, in Python, or behind a server.

    Args:
        text: a path; ``module:name`` where name is a function, a teacher, a scikit-learn model
            or a PyTorch module, and modules of the working directory are found; or
            ``http://host:port/v2/models/NAME[/versions/V]``.
        input_size: numbers in one input of a function.
        http: how a server is asked.
        domain: where a function may be asked how many outputs it has.
        probabilities: ask a scikit-learn classifier for its probabilities, not its raw outputs.
        outputs: file of a table's answers, where ``text`` is the file of its inputs alone; any format of
            :func:`expandcluster.read_inputs`.

    Raises:
        BadInput: there is no such teacher, or it cannot be used.
    """
    if outputs is not None:
        from expandcluster.teachers.table import read_table

        return read_table(text, outputs)
    if text.lower().startswith(("http://", "https://")):
        return Teacher.from_http(text, options=http)
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise BadInput(f"teacher {text}", got="a file that can run code when it is loaded, or holds no teacher",
                       expected=_FORMATS, remedy="Such files are never loaded. Export the model to ONNX, or name it as "
                       "module:object of Python code that you trust.")
    if suffix == ".onnx":
        return Teacher.from_onnx(text)
    if suffix in (".npz", ".csv", ".parquet"):
        from expandcluster.teachers.table import read_table

        return read_table(text)
    if suffix == ".safetensors":
        from expandcluster.export.safetensors_file import network_from_safetensors
        from expandcluster.teachers.network_teacher import NetworkTeacher

        return NetworkTeacher(network_from_safetensors(path), path.name)
    if ":" not in text or path.exists():
        raise BadInput(f"teacher {text}", got="a directory" if path.is_dir() else "neither a known file format nor "
                       "module:function", expected=_FORMATS, remedy="Check the path.")
    return _from_object(import_object(text), text, input_size, domain, probabilities)


def import_object(text: str) -> Any:
    """What ``module:name`` names; modules of the working directory are found.

    Raises:
        BadInput: there is no such thing.
    """
    module, _, name = text.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise BadInput(f"teacher {text}", got=f"{type(error).__name__}: {error}",
                       expected="a module that can be imported here and a name in it",
                       remedy="Run from the folder of the module, or install it.") from error
    return found


def _from_object(found: Any, text: str, input_size: int | None, domain: Domain | None, probabilities: bool) -> Teacher:
    if isinstance(found, Teacher):
        return found
    kinds = {base.__module__.partition(".")[0] for base in type(found).__mro__}
    if "torch" in kinds:
        return Teacher.from_torch(found, input_size)
    if "sklearn" in kinds:
        return Teacher.from_sklearn(found, probabilities=probabilities)
    if not callable(found):
        raise BadInput(f"teacher {text}", got=type(found).__name__,
                       expected="a function, a Teacher, a scikit-learn model or a PyTorch module",
                       remedy="Name a function that maps rows of inputs to rows of outputs.")
    if input_size is None:
        raise BadInput(f"teacher {text}", got="a function of unknown input size", expected="the input size",
                       remedy="Give --input-size (or --inputs FILE).")
    example = None if domain is None else Region.of(domain, input_size, np.float64).nearest(np.zeros(input_size))
    return Teacher.from_callable(found, input_size, example=example)
