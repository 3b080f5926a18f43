"""One neuron from every cluster (paper, section 4, step 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expandcluster.activations import Symmetry
from expandcluster.cluster.canonical import Neurons
from expandcluster.cluster.tree import members_of
from expandcluster.networks import Network

__all__ = ["merge", "outgoing"]


def merge(neurons: Neurons, labels: np.ndarray, order: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Incoming vectors of the merged neurons, and whether each is given flipped.

    The best student that has members in a cluster gives it: its duplicates are averaged, and the
    sign its first member had is restored, since a student at the noise floor has signs that work.
    Where there are no signs, the best of those with the fewest members: one that shares a neuron's work between
    two knows it less well.

    Args:
        neurons: canonical neurons.
        labels: cluster of each, -1 for none.
        order: students, best first.

    Returns:
        Vectors ``(clusters, fan_in + 1)`` and flips ``(clusters,)``.
    """
    rank = np.empty(len(order), int)
    rank[np.asarray(order)] = np.arange(len(order))
    vectors, flips = [], []
    for members in members_of(labels):
        ranks = rank[neurons.student[members]]
        if neurons.sign == 0:
            count = np.bincount(ranks)[ranks]
            members, ranks = members[count == count.min()], ranks[count == count.min()]
        best = members[ranks == ranks.min()]
        flip = bool(neurons.flipped[best[0]])
        vectors.append(neurons.vectors[best].mean(axis=0) * (-1.0 if flip else 1.0))
        flips.append(flip)
    width = neurons.vectors.shape[1]
    return np.array(vectors).reshape(-1, width), np.array(flips, bool)


def outgoing(network: Network, student: int, neurons: Neurons, labels: np.ndarray, flips: np.ndarray,
             symmetry: Symmetry) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a student's next layer onto the merged neurons; duplicates are summed.

    Constants that a reflection leaves behind go to the bias; linear parts are dropped, training
    what lies above makes up for them.

    Returns:
        Weights ``(next hidden, clusters)`` and biases ``(next hidden,)``.
    """
    weights, bias = np.zeros((network.weights[1].shape[0], len(flips))), network.biases[1].copy()
    for i in np.flatnonzero((neurons.student == student) & (labels >= 0)):
        v = network.weights[1][:, neurons.index[i]] * abs(neurons.scale[i])
        if neurons.flipped[i] != flips[labels[i]]:
            bias += v * symmetry.constant
            v = v * symmetry.sign
        weights[:, labels[i]] += v
    return weights, bias
