"""PyTorch files of weights: state dicts of a ``torch.nn.Sequential`` (0.weight, 0.bias, 2.weight, ...)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from expandcluster.activations import Activation, Elementwise
from expandcluster.errors import BadInput
from expandcluster.export.torch_modules import load_torch
from expandcluster.networks import Network
from expandcluster.storage import write_bytes

__all__ = ["network_from_torch_file", "network_to_torch_file"]


def network_to_torch_file(network: Network, path: str | os.PathLike[str], dtype: type = np.float64) -> None:
    """Write the weights and biases as the ``state_dict`` of the module that ``to_torch`` makes.

    The file does not say the activation: whoever loads it builds the module first, as is usual in PyTorch.

    Raises:
        MissingExtra: the extra ``torch`` is not installed.
    """
    torch = load_torch()
    state = {}
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        for name, array in (("weight", w), ("bias", b)):
            state[f"{2 * layer}.{name}"] = torch.from_numpy(array.astype(dtype))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(Path(path), buffer.getvalue())


def network_from_torch_file(path: str | os.PathLike[str], activation: Activation | Elementwise | str | None) -> Network:
    """The network of a state dict: its matrices are the weights, in their order, each followed by its bias.

    Nothing but tensors is loaded: a file cannot run code.

    Args:
        path: of a file written by ``torch.save(module.state_dict(), path)``.
        activation: of the hidden layers, which the file does not say.

    Raises:
        BadInput: the file is missing, damaged, or holds something else, or no activation is given.
        MissingExtra: the extra ``torch`` is not installed.
    """
    torch = load_torch()
    if not Path(path).is_file():
        raise BadInput(f"PyTorch file {path}", got="no such file", expected="a file of weights",
                       remedy="Check the path.")
    if activation is None:
        raise BadInput(f"PyTorch file {path}", got="no activation", expected="the activation of the hidden layers",
                       remedy="A file of weights does not say it: load_network(path, 'tanh').")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        arrays = [(name, tensor.detach().numpy().astype(np.float64)) for name, tensor in state.items()]
    except Exception as error:
        raise BadInput(f"PyTorch file {path}", got=f"a damaged file or one of other things ({type(error).__name__})",
                       expected="the state dict of a module",
                       remedy="Write torch.save(module.state_dict(), path).") from error
    weights = tuple(array for _, array in arrays[::2])
    biases = tuple(array for _, array in arrays[1::2])
    if [array.ndim for _, array in arrays] != [2, 1] * len(weights):
        raise BadInput(f"PyTorch file {path}", got=f"tensors {', '.join(name for name, _ in arrays[:8])}",
                       expected="a matrix and a bias for each layer, and nothing else",
                       remedy="Save a torch.nn.Sequential of Linear modules with biases and activations.")
    return Network(weights, biases, activation)  # type: ignore[arg-type]
