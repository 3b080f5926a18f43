"""Networks from and to equinox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.export.recognise import GRID, recognise
from expandcluster.networks import Network
from expandcluster.precision import in_float64

__all__ = ["network_from_equinox", "network_to_equinox"]

_LINKS: dict[str, Callable[[jax.Array], jax.Array]] = {"softmax": jax.nn.softmax, "logistic": jax.nn.sigmoid}


@in_float64
def network_to_equinox(network: Network, dtype: type = np.float64, output: str = "raw") -> Any:
    """An ``equinox.nn.Sequential`` of Linear layers and activations, from one input ``(inputs,)`` to ``(outputs,)``.

    Args:
        network: of any activation.
        dtype: of its arrays, ``numpy.float64`` or ``numpy.float32``.
        output: ``"softmax"`` or ``"logistic"`` puts that function after the last layer.

    Raises:
        MissingExtra: the extra ``equinox`` is not installed.
    """
    eqx = _equinox()
    parts: list[Any] = []
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        empty = eqx.nn.Linear(w.shape[1], w.shape[0], key=jax.random.key(0))
        parts.append(eqx.tree_at(lambda m: (m.weight, m.bias), empty, (jnp.asarray(w, dtype), jnp.asarray(b, dtype))))
        if layer < len(network.weights):
            parts.append(eqx.nn.Lambda(network.activation.function))
    if output in _LINKS:
        parts.append(eqx.nn.Lambda(_LINKS[output]))
    return eqx.nn.Sequential(parts)


@in_float64
def network_from_equinox(module: Any, *, before: str = "raw") -> Network:
    """The network of an ``equinox.nn.MLP``, or of a Sequential of Linear layers and activations.

    Args:
        module: what is read.
        before: ``"softmax"`` or ``"logistic"`` allows that function after the last layer, and leaves it out.

    Raises:
        BadInput: the module is built otherwise.
        MissingExtra: the extra ``equinox`` is not installed.
    """
    parts = _parts(module)
    if len(parts) > 1 and before in _LINKS and callable(parts[-1]) and _is(parts[-1], _LINKS[before]):
        parts.pop()
    linear, between = parts[0::2], parts[1::2]
    if not parts or len(parts) % 2 == 0 or not all(isinstance(m, _equinox().nn.Linear) for m in linear):
        raise BadInput("equinox module", got=f"modules {[_name(m) for m in parts]}",
                       expected="an MLP, or a Sequential of Linear, Lambda(activation), Linear, ..., Linear",
                       remedy="Pass the bare network; of one that ends in softmax say before='softmax'.")
    activations = [_activation(m) for m in between]
    if any(a != activations[0] for a in activations):
        raise BadInput("equinox module", got=f"activations {[a.name for a in activations]}", expected="one kind",
                       remedy="Networks here have the same activation after every hidden layer.")
    weights = tuple(np.asarray(m.weight, np.float64) for m in linear)
    biases = tuple(np.zeros(len(w)) if m.bias is None else np.asarray(m.bias, np.float64).reshape(-1)
                   for m, w in zip(linear, weights, strict=True))
    return Network(weights, biases, activations[0] if activations else get_activation("identity"))


def _equinox() -> Any:
    try:
        import equinox
    except ImportError as error:
        raise MissingExtra("equinox", "equinox") from error
    return equinox


def _parts(module: Any) -> list[Any]:
    """Layers and functions in the order they are called in; what does nothing is left out."""
    nn = _equinox().nn
    if isinstance(module, nn.Sequential):
        return [part for layer in module.layers for part in _parts(layer)]
    if isinstance(module, nn.Lambda):
        return [module.fn]
    if isinstance(module, nn.Identity):
        return [lambda z: z]
    if isinstance(module, nn.Dropout):
        return []
    if not isinstance(module, nn.MLP):
        return [module]
    if module.scan:
        raise BadInput("equinox module", got="an MLP with scan=True", expected="an MLP with scan=False",
                       remedy="Copy its weights into one that was made without scan.")
    parts = [part for layer in module.layers[:-1] for part in (layer, module.activation)]
    last = [] if _is(module.final_activation, lambda z: z) else [module.final_activation]
    return [*parts, module.layers[-1], *last]


def _is(function: Any, other: Callable[[jax.Array], jax.Array]) -> bool:
    """Whether two functions of a vector have the same values, also where they are not elementwise."""
    z = jnp.asarray(GRID)
    try:
        values = np.asarray(function(z))
    except Exception:  # a layer that takes other shapes, for example
        return False
    return values.shape == z.shape and bool(np.abs(values - np.asarray(other(z))).max() <= 1e-12)


def _activation(function: Any) -> Activation:
    """The listed activation with the values of a function; else the function itself."""
    activation = get_activation(function)
    values = np.asarray(activation.function(jnp.asarray(GRID)), np.float64)
    return recognise(GRID, values) or activation


def _name(part: Any) -> str:
    return type(part).__name__ if not hasattr(part, "__name__") else str(part.__name__)
