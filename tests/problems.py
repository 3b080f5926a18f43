"""Random teachers for tests."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.special

from expandcluster.activations import get_activation
from expandcluster.expand.population import Samples
from expandcluster.networks import Network

logistic = scipy.special.expit
softmax = functools.partial(scipy.special.softmax, axis=1)


def random_teacher(sizes: tuple[int, ...], activation: str, seed: int) -> Network:
    """Rows of every hidden layer on the sphere of radius 2, biases of standard deviation 0.5."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for into, out in itertools.pairwise(sizes):
        w = rng.normal(size=(out, into))
        weights.append(2.0 * w / np.linalg.norm(w, axis=1, keepdims=True))
        biases.append(0.5 * rng.normal(size=out))
    return Network(tuple(weights), tuple(biases), get_activation(activation))


def imitation(sizes: tuple[int, ...], activation: str, floor: float) -> tuple[Network, Samples]:
    """A teacher, and 200 of its answers for a trainer to imitate."""
    teacher = random_teacher(sizes, activation, 0)
    x = np.random.default_rng(1).normal(size=(200, sizes[0]))
    return teacher, Samples(x, teacher(x), floor)


def in_float32(network: Network) -> Callable[[np.ndarray], np.ndarray]:
    """The network as one that computes in float32 all the way."""
    def answer(x: np.ndarray) -> np.ndarray:
        h = x.astype(np.float32)
        for w, b in zip(network.weights[:-1], network.biases[:-1], strict=True):
            h = h @ w.T.astype(np.float32) + b.astype(np.float32)
            h = np.tanh(h) if network.activation.name == "tanh" else np.maximum(h, 0)
        return h @ network.weights[-1].T.astype(np.float32) + network.biases[-1].astype(np.float32)

    return answer


def stretched(network: Network, factor: float, shift: float = 0.0) -> Network:
    """The network with its outputs times a factor, moved by a constant."""
    return Network((*network.weights[:-1], network.weights[-1] * factor),
                   (*network.biases[:-1], network.biases[-1] * factor + shift), network.activation)


def onnx_with_last(network: Network, operator: str, path: Path, dtype: type = np.float32) -> Path:
    """An ONNX file of the network that ends in one more node, for example a Softmax."""
    import onnx
    from onnx import helper

    from expandcluster.export.onnx_file import network_to_onnx

    network_to_onnx(network, path, dtype)
    model = onnx.load(path)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model.graph.node.append(helper.make_node(operator, ["y"], ["p"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("p", kind, ["batch", network.sizes[-1]]))
    onnx.save(model, path)
    return path
