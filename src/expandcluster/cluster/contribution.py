"""Neurons that contribute nothing to their layer's output are left out of the clustering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expandcluster.expand.prune import removal_costs
from expandcluster.networks import Network

__all__ = ["contributing"]


def contributing(students: Sequence[Network], x: np.ndarray, variance: float, threshold: float) -> np.ndarray:
    """Which first-layer neurons of the students contribute.

    A neuron contributes if its outgoing weights, or what its removal would cost, are above the
    threshold; exact duplicates cost nothing to remove one at a time and are kept by the first test.

    Args:
        students: the networks.
        x: inputs ``(samples, inputs)``.
        variance: sum of squares of the centred answers on as many samples as ``x`` has.
        threshold: relative loss below which a contribution counts as nothing.

    Returns:
        A boolean for each neuron, students one after the other.
    """
    keep = []
    for network in students:
        outgoing = network.weights[1]
        varying = network.hidden(x, 1).std(axis=0)
        reach = np.sum(outgoing**2, axis=0) * varying**2 * len(x)
        costs = removal_costs(network, x)[0]
        keep.append((reach > threshold * variance) | (costs > threshold * variance))
    return np.concatenate(keep)
