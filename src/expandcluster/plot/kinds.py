"""Which neurons of a layer were kept, and why the others were not."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list

from expandcluster.cluster.tree import least_students
from expandcluster.errors import BadInput
from expandcluster.options import ClusterOptions
from expandcluster.results import LayerClusters, Recovery

__all__ = ["Kinds", "kinds_of", "layer_of"]

KEPT, SMALL, UNALIGNED = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The neurons of one layer, sorted.

    Attributes:
        cluster: cluster of each neuron, also of those dropped, ``(neurons,)``.
        kind: 0 kept, 1 cluster too small, 2 cluster unaligned, ``(neurons,)``.
        clusters: number of clusters of each kind.
        order: neurons from left to right under the tree, ``(neurons,)``.
    """

    cluster: np.ndarray
    kind: np.ndarray
    clusters: tuple[int, int, int]
    order: np.ndarray

    @functools.cached_property
    def place(self) -> np.ndarray:
        """Position of each neuron in :attr:`order`."""
        place = np.empty(len(self.order), int)
        place[self.order] = np.arange(len(self.order))
        return place


def layer_of(recovery: Recovery, layer: int) -> LayerClusters:
    """The clustering of hidden layer ``layer``, 1 for the first.

    Raises:
        BadInput: this layer was not reached.
    """
    if not 1 <= layer <= len(recovery.layers):
        reached = len(recovery.layers)
        raise BadInput("layer", got=str(layer),
                       expected=f"a hidden layer that was clustered, of 1 to {reached}" if reached else
                       "a recovery that reached the clustering",
                       remedy="The verdict says how far the recovery came.")
    return recovery.layers[layer - 1]


def kinds_of(layer: LayerClusters, options: ClusterOptions | None = None) -> Kinds:
    """Sort the neurons of a layer.

    Args:
        layer: of a recovery.
        options: those it was clustered with; of them gamma and beta tell a cluster dropped for its
            size from one dropped for its spread.
    """
    options = options or ClusterOptions()
    n, students = len(layer.vectors), int(layer.student.max(initial=-1)) + 1
    least = least_students(options, students)
    tree = layer.linkage
    flat = fcluster(tree, layer.height, criterion="distance") - 1 if len(tree) else np.zeros(n, int)
    kind = np.zeros(n, int)
    count = [len(layer.support), 0, 0]
    by_cluster = np.argsort(flat, kind="stable")
    ends = np.searchsorted(flat[by_cluster], np.arange(flat.max(initial=-1) + 2))
    for start, stop in itertools.pairwise(ends):
        members = by_cluster[start:stop]
        if layer.labels[members[0]] >= 0:
            continue
        found_in = len(np.unique(layer.student[members]))
        kind[members] = UNALIGNED if found_in >= least and _spread(layer.vectors[members]) > options.beta else SMALL
        count[kind[members[0]]] += 1
    order = leaves_list(tree) if len(tree) else np.arange(n)
    return Kinds(flat, kind, (count[0], count[1], count[2]), order)


def _spread(vectors: np.ndarray) -> float:
    """Median angle in radians to the mean direction."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    mean = unit.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return float(np.median(np.arccos(np.clip(unit @ mean / norm, -1.0, 1.0)))) if norm > 0 else float(np.pi)
