"""A network from what is written on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from expandcluster.errors import BadInput
from expandcluster.export.safetensors_file import load_network
from expandcluster.networks import Network
from expandcluster.teachers.links import LINKS

__all__ = ["open_network", "output_behind"]


def open_network(path: str | os.PathLike[str], *, before: str = "raw") -> Network:
    """The network in a safetensors file, an ONNX file or a run folder.

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
    if path.suffix.lower() == ".onnx":
        from expandcluster.export.onnx_file import network_from_onnx

        return network_from_onnx(path, before=before)
    if path.suffix.lower() == ".safetensors" or not path.exists():
        return load_network(path)
    raise BadInput(f"network {path}", got=f"a file ending in '{path.suffix}'",
                   expected=".safetensors, .onnx or a run folder", remedy="Save the network in one of these formats.")


def output_behind(path: str | os.PathLike[str]) -> str:
    """What the teacher of a run folder answered (raw, softmax or logistic); raw for every other file."""
    try:
        output = json.loads((Path(path) / "result.json").read_text(encoding="utf-8"))["output"]
    except (OSError, ValueError, KeyError, TypeError):
        return "raw"
    return output if output in LINKS else "raw"
