"""A network in a safetensors file: arrays W1, b1, W2, ... and a JSON header."""

from __future__ import annotations

import json
import os
from pathlib import Path

from expandcluster.activations import Activation, Elementwise
from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.storage import read_arrays, write_arrays

__all__ = ["load_network", "save_network"]

_FORMAT = "expandcluster network 1"


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network, in float64, atomically.

    Args:
        network: what to write.
        path: of the file; an existing file is replaced only once the new one is complete.
    """
    arrays = {}
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        arrays[f"W{layer}"], arrays[f"b{layer}"] = w, b
    about = {"activation": network.activation.name, "sizes": list(network.sizes)}
    write_arrays(Path(path), arrays, {"format": _FORMAT, "network": json.dumps(about)})


def load_network(path: str | os.PathLike[str], activation: Activation | Elementwise | str | None = None) -> Network:
    """Read a network.

    Args:
        path: of a file written by :func:`save_network`.
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
