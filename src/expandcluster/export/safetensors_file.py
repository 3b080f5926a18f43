"""A network in a safetensors file: arrays W1, b1, W2, ... and a JSON header."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from expandcluster.activations import Activation, Elementwise
from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.storage import read_arrays, write_arrays

__all__ = ["network_from_safetensors", "network_to_safetensors", "output_in"]

_FORMAT = "expandcluster network 1"


def network_to_safetensors(network: Network, path: str | os.PathLike[str], dtype: type = np.float64,
                           output: str = "raw") -> None:
    """Write a network, atomically.

    Args:
        network: what to write.
        path: of the file; an existing file is replaced only once the new one is complete.
        dtype: ``numpy.float64`` or ``numpy.float32``.
        output: the function after the last layer, kept as a word in the header.
    """
    arrays: dict[str, np.ndarray] = {}
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        arrays[f"W{layer}"], arrays[f"b{layer}"] = w.astype(dtype), b.astype(dtype)
    about = {"activation": network.activation.name, "sizes": list(network.sizes), "output": output}
    write_arrays(Path(path), arrays, {"format": _FORMAT, "network": json.dumps(about)})


def network_from_safetensors(path: str | os.PathLike[str],
                             activation: Activation | Elementwise | str | None = None) -> Network:
    """Read a network.

    Args:
        path: of a file written by :func:`network_to_safetensors`.
        activation: needed only for networks of an activation that is not one of the listed ones.

    Raises:
        BadInput: the file is missing, damaged, or holds no network.
    """
    arrays, header = read_arrays(Path(path))
    try:
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']}")
        about = json.loads(header["network"])
        layers = range(1, len(arrays) // 2 + 1)
        weights, biases = tuple(arrays[f"W{i}"] for i in layers), tuple(arrays[f"b{i}"] for i in layers)
        name = str(about["activation"])
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise BadInput(f"file {path}", got=f"arrays {sorted(arrays)[:6]} ({error})",
                       expected="a network written by expandcluster (W1, b1, W2, ...)",
                       remedy="Use save_network to write it.") from error
    return Network(weights, biases, name if activation is None else activation)  # type: ignore[arg-type]


def output_in(path: str | os.PathLike[str]) -> str:
    """The function after the last layer that the file of a network names."""
    return str(json.loads(read_arrays(Path(path))[1]["network"])["output"])
