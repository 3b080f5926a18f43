"""Random teachers for tests."""

from __future__ import annotations

import itertools

import numpy as np

from expandcluster.activations import get_activation
from expandcluster.networks import Network


def random_teacher(sizes: tuple[int, ...], activation: str, seed: int) -> Network:
    """Rows of every hidden layer on the sphere of radius 2, biases of standard deviation 0.5."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for into, out in itertools.pairwise(sizes):
        w = rng.normal(size=(out, into))
        weights.append(2.0 * w / np.linalg.norm(w, axis=1, keepdims=True))
        biases.append(0.5 * rng.normal(size=out))
    return Network(tuple(weights), tuple(biases), get_activation(activation))
