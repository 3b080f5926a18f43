"""Network files: the end of a file's name says its format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.activations import Activation, Elementwise
from expandcluster.errors import BadInput
from expandcluster.export.convert import Exportable, resolve
from expandcluster.export.safetensors_file import network_from_safetensors, network_to_safetensors
from expandcluster.networks import Network

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["SUFFIXES", "load_network", "save_network"]

SUFFIXES = (".safetensors", ".onnx", ".pt", ".pth")


def save_network(network: Exportable, path: str | os.PathLike[str], *, dtype: DTypeLike = np.float64,
                 output: str = "auto") -> None:
    """Write a network, atomically: an existing file is replaced only once the new one is complete.

    ``.safetensors`` keeps everything, for :func:`load_network`. ``.onnx`` is a model with free batch size. ``.pt`` and
    ``.pth`` are PyTorch's state dict of the module that ``expandcluster.export.to_torch`` makes, without the
    activation, which such files do not hold.

    Args:
        network: a network or a recovery.
        path: of the file.
        dtype: of the weights, float64 or float32.
        output: the function after the last layer: ``"raw"`` (none), ``"softmax"`` or ``"logistic"``; ``"auto"``: of a
            recovery what its teacher answered with, of a network none. An ONNX model ends in it, a safetensors file
            names it, a state dict does not know it.

    Raises:
        BadInput: the format is not known, or cannot hold the network's activation.
        MissingExtra: the extra ``onnx`` or ``torch`` is not installed.
    """
    found, kind, link = resolve(network, dtype, output)
    suffix = _suffix(path)
    if suffix == ".safetensors":
        network_to_safetensors(found, path, kind, link)
    elif suffix == ".onnx":
        from expandcluster.export.onnx_file import network_to_onnx

        network_to_onnx(found, path, kind, link)
    else:
        from expandcluster.export.torch_file import network_to_torch_file

        network_to_torch_file(found, path, kind)


def load_network(path: str | os.PathLike[str], activation: Activation | Elementwise | str | None = None, *,
                 before: str = "raw") -> Network:
    """Read a network that :func:`save_network` wrote, or another ONNX file or state dict of the same form.

    Args:
        path: of the file.
        activation: needed for a state dict, and for networks of an activation that is not one of the listed ones.
        before: ``"softmax"`` or ``"logistic"``: an ONNX file may end in it, the network is the one before.

    Raises:
        BadInput: the file is missing, damaged, or holds no network.
        MissingExtra: the extra ``onnx`` or ``torch`` is not installed.
    """
    suffix = _suffix(path) if Path(path).exists() else ".safetensors"
    if suffix == ".safetensors":
        return network_from_safetensors(path, activation)
    if suffix == ".onnx":
        from expandcluster.export.onnx_file import network_from_onnx

        return network_from_onnx(path, before=before)
    from expandcluster.export.torch_file import network_from_torch_file

    return network_from_torch_file(path, activation)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(f"network {path}", got=f"a file ending in '{suffix}'", expected=", ".join(SUFFIXES),
                       remedy="The end of the name says the format.")
    return suffix
