"""Moves between networks that compute the same function: the symmetries of a multilayer perceptron.

Each move changes one hidden layer and the layer above it. With ``sigma(-z) = sign sigma(z) +
constant`` (activations.py), ``sign^2 = 1`` turns a neuron ``a sigma(w h + b)`` into
``sign a sigma(-w h - b) + a constant``; where the reflection has a slope it would leave a linear map
behind, which a network of the same shape cannot hold (Martinelli et al. 2024, section 4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from expandcluster.errors import BadInput
from expandcluster.networks import Network

__all__ = ["centre_outputs", "permute", "reflect", "rescale", "unit_norm"]

_SMALLEST_NORM = 1e-150  # the squares inside a smaller norm underflow


def centre_outputs(network: Network) -> Network:
    """The network of the same softmax whose outputs have mean 0: its output layer minus the mean over its rows.

    Example:
        >>> network = Network((np.array([[1.0], [4.0]]),), (np.array([2.0, 0.0]),), "tanh")
        >>> centred = centre_outputs(network)
        >>> centred.weights[0].tolist(), centred.biases[0].tolist()
        ([[-1.5], [1.5]], [1.0, -1.0])
    """
    w, b = network.weights[-1], network.biases[-1]
    return dataclasses.replace(network, weights=(*network.weights[:-1], w - w.mean(axis=0)),
                               biases=(*network.biases[:-1], b - b.mean()))


def permute(network: Network, layer: int, order: Sequence[int] | Int[np.ndarray, " hidden"]) -> Network:
    """The same function with the neurons of one hidden layer in another order.

    Args:
        network: any network.
        layer: which hidden layer; 1 is the first.
        order: neuron ``order[i]`` comes to place ``i``, shape ``(hidden,)``.

    Raises:
        BadInput: there is no such layer, or ``order`` is not a permutation of its neurons.

    Example:
        >>> network = Network((np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]])), (np.zeros(2), np.zeros(1)), "tanh")
        >>> permute(network, 1, [1, 0]).weights[1].tolist()
        [[4.0, 3.0]]
    """
    hidden = _hidden(network, layer)
    order = _indices(order)
    if sorted(order.tolist()) != list(range(hidden)):
        raise BadInput("order", got=str(order.tolist()), expected=f"each of 0 to {hidden - 1} once",
                       remedy=f"Hidden layer {layer} has {hidden} neurons.")
    below, above = network.weights[layer - 1], network.weights[layer]
    return _replaced(network, layer, below[order], network.biases[layer - 1][order], above[:, order],
                     network.biases[layer])


def rescale(network: Network, layer: int, factors: Sequence[float] | Float[np.ndarray, " hidden"]) -> Network:
    """The same function with incoming weights and bias of each neuron times a factor, outgoing ones divided by it.

    Args:
        network: of a positively homogeneous activation (``sigma(c z) = c sigma(z)`` for c > 0).
        layer: which hidden layer; 1 is the first.
        factors: positive, shape ``(hidden,)``.

    Raises:
        BadInput: there is no such layer, the activation is not homogeneous, or a factor is not
            positive and finite.

    Example:
        >>> network = Network((np.array([[3.0]]), np.array([[1.0]])), (np.zeros(1), np.zeros(1)), "relu")
        >>> rescale(network, 1, [2.0]).weights[1].tolist()
        [[0.5]]
    """
    hidden = _hidden(network, layer)
    if not network.activation.symmetry.homogeneous:
        raise BadInput("activation", got=network.activation.name, expected="a positively homogeneous one, like relu",
                       remedy="Neurons of other activations cannot be rescaled.")
    factors = np.asarray(factors, dtype=np.float64)
    if factors.shape != (hidden,) or not (np.isfinite(factors).all() and (factors > 0).all()):
        raise BadInput("factors", got=str(factors.tolist()), expected=f"{hidden} positive numbers",
                       remedy=f"Give one for each neuron of hidden layer {layer}.")
    return _replaced(network, layer, network.weights[layer - 1] * factors[:, None],
                     network.biases[layer - 1] * factors, network.weights[layer] / factors, network.biases[layer])


def reflect(network: Network, layer: int, neurons: Sequence[int] | Int[np.ndarray, " flipped"]) -> Network:
    """The same function with the incoming weights and biases of some neurons negated.

    Args:
        network: of an activation that is odd, even, or odd up to a constant.
        layer: which hidden layer; 1 is the first.
        neurons: indices of the neurons to flip; repeated ones count once.

    Raises:
        BadInput: there is no such layer or neuron, the activation has no reflection, or its
            reflection leaves a linear map behind (even + linear, for example softplus and ReLU).

    Example:
        >>> network = Network((np.array([[1.0]]), np.array([[3.0]])), (np.zeros(1), np.zeros(1)), "sigmoid")
        >>> flipped = reflect(network, 1, [0])
        >>> flipped.weights[1].tolist(), flipped.biases[1].tolist()
        ([[-3.0]], [3.0])
    """
    hidden = _hidden(network, layer)
    symmetry = network.activation.symmetry
    if symmetry.sign == 0 or symmetry.slope != 0.0:
        raise BadInput("activation", got=f"{network.activation.name} ({symmetry.kind})",
                       expected="an even or odd one, up to a constant",
                       remedy="Neurons of other activations cannot be flipped inside a network of the same shape.")
    neurons = _indices(neurons)
    if ((neurons < 0) | (neurons >= hidden)).any():
        raise BadInput("neurons", got=str(neurons.tolist()), expected=f"indices from 0 to {hidden - 1}",
                       remedy=f"Hidden layer {layer} has {hidden} neurons.")
    flipped = np.zeros(hidden, bool)
    flipped[neurons] = True
    turn = np.where(flipped, -1.0, 1.0)
    above = network.weights[layer]
    constant = symmetry.constant * above[:, flipped].sum(axis=1)
    return _replaced(network, layer, network.weights[layer - 1] * turn[:, None], network.biases[layer - 1] * turn,
                     above * np.where(flipped, float(symmetry.sign), 1.0), network.biases[layer] + constant)


def unit_norm(network: Network) -> Network:
    """The same function with incoming weights of norm one, for positively homogeneous activations.

    The scale moves to the outgoing weights, from the first hidden layer to the last. A neuron
    without incoming weights is left as it is, and so are networks of other activations.

    Args:
        network: any network.

    Example:
        >>> network = Network((np.array([[3.0, 4.0]]), np.array([[1.0]])), (np.zeros(1), np.zeros(1)), "relu")
        >>> unit_norm(network).weights[1].tolist()
        [[5.0]]
    """
    if not network.activation.symmetry.homogeneous:
        return network
    for layer in range(1, len(network.weights)):
        norms = np.linalg.norm(network.weights[layer - 1], axis=1)
        network = rescale(network, layer, 1.0 / np.where(norms > _SMALLEST_NORM, norms, 1.0))
    return network


def _hidden(network: Network, layer: int) -> int:
    layers = len(network.weights) - 1
    if not 1 <= layer <= layers:
        raise BadInput("layer", got=str(layer), expected=f"a hidden layer, 1 to {layers}" if layers else "no layer",
                       remedy=f"The network has {layers} hidden layers; 1 is the first.")
    return network.sizes[layer]


def _indices(values: Sequence[int] | np.ndarray) -> np.ndarray:
    indices = np.asarray(values)
    if indices.size == 0:
        return np.zeros(0, np.int64)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise BadInput("neurons", got=f"values of type {indices.dtype} and shape {indices.shape}",
                       expected="a list of whole numbers", remedy="Give the indices of the neurons.")
    return indices


def _replaced(network: Network, layer: int, below: np.ndarray, bias_below: np.ndarray, above: np.ndarray,
              bias_above: np.ndarray) -> Network:
    weights, biases = list(network.weights), list(network.biases)
    weights[layer - 1], weights[layer] = below, above
    biases[layer - 1], biases[layer] = bias_below, bias_above
    return dataclasses.replace(network, weights=tuple(weights), biases=tuple(biases))
