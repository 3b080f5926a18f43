"""Neurons that contribute nothing to their layer's output are left out of the clustering."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from expandcluster.expand.prune import removal_costs
from expandcluster.networks import Network
from expandcluster.threads import cores, one_thread_each

__all__ = ["NOTHING", "contributing", "contributions"]

NOTHING = 1e-12  # relative contribution that is no neuron's


def contributing(students: Sequence[Network], x: np.ndarray, variance: float, threshold: float) -> np.ndarray:
    """Which first-layer neurons of the students contribute.

    Args:
        students: the networks.
        x: inputs ``(samples, inputs)``.
        variance: sum of squares of the centred answers on as many samples as ``x`` has.
        threshold: relative loss below which a contribution counts as nothing.

    Returns:
        A boolean for each neuron, students one after the other.
    """
    return contributions(students, x) > threshold * variance


def contributions(students: Sequence[Network], x: np.ndarray) -> np.ndarray:
    """What each first-layer neuron contributes, in squared error at the layer above.

    The larger of two numbers: what the neuron's outgoing weights reach, and what its removal would cost.
    Exact duplicates cost nothing to remove one at a time and are kept by the first. Of more neurons than samples
    each one can be made up for by the others, and costs nothing.

    Args:
        students: the networks.
        x: inputs ``(samples, inputs)``.

    Returns:
        A number for each neuron, students one after the other.
    """
    with one_thread_each(len(students)), ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(lambda network: _contributions(network, x), students)))


def _contributions(network: Network, x: np.ndarray) -> np.ndarray:
    outgoing = network.weights[1]
    varying = network.hidden(x, 1).std(axis=0)
    reach: np.ndarray = np.sum(outgoing**2, axis=0) * varying**2 * len(x)
    return reach if len(reach) >= len(x) else np.maximum(reach, removal_costs(network, x)[0])
