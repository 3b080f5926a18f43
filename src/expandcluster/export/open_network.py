"""A network from what is written on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from expandcluster.errors import BadInput
from expandcluster.export.network_files import load_network
from expandcluster.export.safetensors_file import output_in
from expandcluster.networks import Network
from expandcluster.teachers.links import LINKS

__all__ = ["open_network", "output_behind", "tells_determined"]


def open_network(path: str | os.PathLike[str], *, before: str = "raw") -> Network:
    """The network in a run folder, or in a file that :func:`load_network` reads.

    Args:
        path: of the file or folder.
        before: ``"softmax"`` or ``"logistic"``: an ONNX file may end in it, the network is the one before.

    Raises:
        BadInput: there is none.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "network.safetensors").is_file():
            raise BadInput(f"run folder {path}", got="no network.safetensors in it", expected="a finished run",
                           remedy="Run `expandcluster recover` with this --out first; see its result.json.")
        return load_network(path / "network.safetensors")
    if path.suffix.lower() in (".safetensors", ".onnx") or not path.exists():
        return load_network(path, before=before)
    raise BadInput(f"network {path}", got=f"a file ending in '{path.suffix}'",
                   expected=".safetensors, .onnx or a run folder", remedy="Save the network in one of these formats.")


def output_behind(path: str | os.PathLike[str]) -> str:
    """What the network of a run folder or safetensors file answers with: raw, softmax or logistic; else raw."""
    path = Path(path)
    try:
        output = _result(path)["output"] if path.is_dir() else output_in(path)
    except (OSError, ValueError, KeyError, TypeError):
        return "raw"
    return output if output in LINKS else "raw"


def tells_determined(path: str | os.PathLike[str]) -> bool:
    """Whether this is the whole folder of a finished run that leaves parameters undetermined, and tells which."""
    path = Path(path)
    try:
        return (path / "stages").is_dir() and bool(_result(path)["undetermined"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))
