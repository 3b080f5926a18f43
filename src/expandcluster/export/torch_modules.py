"""Networks from and to PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.networks import Network

__all__ = ["network_from_torch"]

_PLAIN = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus", "SiLU": "silu", "Mish": "mish",
          "SELU": "selu", "Softsign": "softsign", "Identity": "identity"}


def network_from_torch(module: Any) -> Network:
    """The network of a ``torch.nn.Sequential`` of Linear and activation modules.

    Raises:
        BadInput: the module is built otherwise.
        MissingExtra: the extra ``torch`` is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    parts = [m for m in _flat(module, torch.nn.Sequential) if not isinstance(m, (torch.nn.Flatten, torch.nn.Dropout))]
    linear, between = parts[0::2], parts[1::2]
    if not parts or len(parts) % 2 == 0 or not all(isinstance(m, torch.nn.Linear) for m in linear):
        raise BadInput("PyTorch module", got=f"modules {[type(m).__name__ for m in parts]}",
                       expected="Linear, activation, Linear, ..., Linear", remedy="Pass the bare network.")
    activations = [_activation(m) for m in between]
    if len({a.name for a in activations}) > 1:
        raise BadInput("PyTorch module", got=f"activations {[a.name for a in activations]}", expected="one kind",
                       remedy="Networks here have the same activation after every hidden layer.")
    weights = tuple(m.weight.detach().cpu().numpy().astype(np.float64) for m in linear)
    biases = tuple(np.zeros(m.out_features) if m.bias is None else m.bias.detach().cpu().numpy().astype(np.float64)
                   for m in linear)
    return Network(weights, biases, activations[0] if activations else get_activation("identity"))


def _flat(module: Any, sequential: Any) -> list[Any]:
    """The modules of nested Sequentials in the order they are called in; one may occur in several places."""
    if isinstance(module, sequential):
        return [part for child in module._modules.values() for part in _flat(child, sequential)]
    return [module]


def _activation(module: Any) -> Activation:
    kind = type(module).__name__
    if kind == "Softplus" and module.beta != 1:
        kind = f"Softplus(beta={module.beta})"
    if kind == "LeakyReLU":
        return get_activation(f"leaky_relu({module.negative_slope!r})")
    if kind == "ELU":
        return get_activation(f"elu({module.alpha!r})")
    if kind == "GELU":
        return get_activation("gelu_tanh" if module.approximate == "tanh" else "gelu")
    if kind in _PLAIN:
        return get_activation(_PLAIN[kind])
    raise BadInput("PyTorch module", got=f"the activation {kind}", expected=", ".join(_PLAIN),
                   remedy="Build the Network from its arrays, with the activation as a function.")
