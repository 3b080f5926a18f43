"""Networks from and to PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.networks import Network

__all__ = ["load_torch", "network_from_torch", "network_to_torch"]

_PLAIN = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus", "SiLU": "silu", "Mish": "mish",
          "SELU": "selu", "Softsign": "softsign", "Identity": "identity"}
_LINKS = {"softmax": "Softmax", "logistic": "Sigmoid"}


def network_from_torch(module: Any, *, before: str = "raw") -> Network:
    """The network of a ``torch.nn.Sequential`` of Linear and activation modules.

    Args:
        module: what is read.
        before: ``"softmax"`` or ``"logistic"`` allows that function after the last layer, and leaves it out.

    Raises:
        BadInput: the module is built otherwise.
        MissingExtra: the extra ``torch`` is not installed.
    """
    torch = load_torch()
    parts = [m for m in _flat(module, torch.nn.Sequential) if not isinstance(m, (torch.nn.Flatten, torch.nn.Dropout))]
    if len(parts) > 1 and type(parts[-1]).__name__ == _LINKS.get(before):
        parts.pop()
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


def network_to_torch(network: Network, dtype: type = np.float64, output: str = "raw") -> Any:
    """A ``torch.nn.Sequential`` of Linear and activation modules, in evaluation mode.

    Args:
        network: its activation must be one that PyTorch has as a module.
        dtype: of its parameters, ``numpy.float64`` or ``numpy.float32``.
        output: ``"softmax"`` or ``"logistic"`` puts that function after the last layer.

    Raises:
        BadInput: PyTorch has no such activation module.
        MissingExtra: the extra ``torch`` is not installed.
    """
    torch = load_torch()
    parts: list[Any] = []
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        linear = torch.nn.Linear(w.shape[1], w.shape[0])
        linear.weight = torch.nn.Parameter(torch.from_numpy(w.astype(dtype)))
        linear.bias = torch.nn.Parameter(torch.from_numpy(b.astype(dtype)))
        parts.append(linear)
        if layer < len(network.weights):
            parts.append(_module(network.activation.name, torch.nn))
    if output in _LINKS:
        parts.append(torch.nn.Softmax(dim=-1) if output == "softmax" else torch.nn.Sigmoid())
    return torch.nn.Sequential(*parts).eval()


def _module(name: str, nn: Any) -> Any:
    kind, _, parameter = name.partition("(")
    if kind == "leaky_relu":
        return nn.LeakyReLU(float(parameter[:-1]))
    if kind == "elu":
        return nn.ELU(float(parameter[:-1]))
    if kind in ("gelu", "gelu_tanh"):
        return nn.GELU(approximate="tanh" if kind == "gelu_tanh" else "none")
    if kind == "softplus":
        return nn.Softplus(threshold=40.0)  # PyTorch's own, 20, is off by 2e-9 there
    for module, own in _PLAIN.items():
        if kind == own:
            return getattr(nn, module)()
    listed = (*_PLAIN.values(), "gelu", "gelu_tanh", "leaky_relu", "elu")
    raise BadInput("activation", got=name, expected=", ".join(listed),
                   remedy="PyTorch has no such module; save the network's weights as .pt, or use equinox or ONNX.")


def load_torch() -> Any:
    """The package ``torch``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    return torch
