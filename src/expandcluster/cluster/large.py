"""The tree of average linkage without the distances of all pairs: the same tree in less memory.

Two groups whose mean distance is at most h have two members at most h apart. So whatever merges up to height h merges
inside a connected component of the graph of all pairs at most h apart, and average linkage of a component alone finds
these merges: merging two groups brings no third one closer to them than it was to the nearer one (Bruynooghe 1977).

Copies of a neuron make small components. They are merged first, for a few heights h from low to high; what is left,
one group for every different neuron, is merged with the mean distances of its groups. The tree is the one of all
distances, up to rounding; its memory is that of the pairs of different neurons.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from expandcluster.cluster.distances import average_distances, near_pairs
from expandcluster.errors import BadInput

__all__ = ["link_by_components", "merge_groups"]

_HEIGHTS = (1e-7, 1e-5, 1e-3, 0.1)  # of the size of a neuron, up to which components are merged, one after the other
_BUFFER = 2**22  # pairs that wait to be joined to the forest

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
Merges = list[tuple[int, int, float]]


def link_by_components(vectors: np.ndarray, memory: int, mirrored: bool = False) -> np.ndarray:
    """SciPy's linkage matrix of average linkage, for more neurons than a matrix of distances has room for.

    Args:
        vectors: ``(neurons, coordinates)``, at least two.
        memory: bytes that the distances of different neurons may take.
        mirrored: see :func:`expandcluster.cluster.distances.condensed_distances`.

    Raises:
        BadInput: there are too many different neurons for this memory.
    """
    size = float(np.sqrt(np.mean(np.sum(vectors**2, axis=1)))) or 1.0
    first, second, distance = _forest(vectors, _HEIGHTS[-1] * size, mirrored)
    group = np.arange(len(vectors))  # the group of every neuron is named by one of its members
    merges: Merges = []
    for height in (*(h * size for h in _HEIGHTS), np.inf):
        if np.isinf(height):
            component = np.zeros(len(vectors), int)
        else:
            close = distance <= height
            component = _components(first[close], second[close], len(vectors))
        for members in _of_several_groups(component, group):
            new = [m for m in _merge_component(vectors[members], group[members], memory, mirrored) if m[2] <= height]
            merges += new
            _rename(group, members, new)
    return _labelled(merges, len(vectors))


def merge_groups(distances: np.ndarray, sizes: np.ndarray) -> Merges:
    """Average linkage of groups by nearest-neighbour chains (Murtagh 1983).

    Args:
        distances: mean distances ``(groups, groups)``, infinite on the diagonal; they are overwritten.
        sizes: members of each group ``(groups,)``.

    Returns:
        Group, group that takes it in, and height of every merge, each after those of its groups.
    """
    size, height = sizes.astype(float), np.zeros(len(sizes))
    gone = np.zeros(len(size))
    alive = np.arange(len(size))
    merges: Merges = []
    chain: list[int] = []
    while len(merges) < len(size) - 1:
        if not chain:
            chain.append(int(np.argmin(gone)))
        last = chain[-1]
        row = distances[last] + gone
        nearest = int(np.argmin(row))
        if len(chain) > 1 and row[chain[-2]] <= row[nearest]:  # of equals the one before, or chains go in circles
            nearest = chain[-2]
        if len(chain) == 1 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        del chain[-2:]
        height[nearest] = max(row[nearest], height[last], height[nearest])  # rounding turns no order round
        merges.append((last, nearest, float(height[nearest])))
        merged = (size[last] * distances[last] + size[nearest] * distances[nearest]) / (size[last] + size[nearest])
        merged[nearest] = np.inf
        size[nearest] += size[last]
        gone[last] = np.inf
        if 2 * (len(size) - len(merges)) < len(alive):
            alive = np.flatnonzero(gone == 0)
        distances[nearest] = merged
        distances[alive, nearest] = merged[alive]
    return merges


def _forest(vectors: np.ndarray, height: float, mirrored: bool) -> Pairs:
    """Pairs at most ``height`` apart that connect, at any height up to it, what all such pairs connect."""
    n = len(vectors)
    waiting: list[Pairs] = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
    for pairs in near_pairs(vectors, height, mirrored):
        waiting.append(pairs)
        if sum(len(p[0]) for p in waiting) > _BUFFER + n:
            waiting = [_spanning(waiting, n)]
    return _spanning(waiting, n)


def _spanning(waiting: list[Pairs], n: int) -> Pairs:
    """Those of the pairs that are in their minimum spanning forest."""
    first, second, distance = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
    order = np.argsort(distance, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)  # SciPy takes a weight of 0 for no edge
    kept = minimum_spanning_tree(coo_array((rank, (first, second)), shape=(n, n)).tocsr()).data.astype(int)
    kept = order[kept - 1]
    return first[kept], second[kept], distance[kept]


def _components(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])


def _of_several_groups(component: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """Members of every component that has several groups, group by group."""
    order = np.lexsort((group, component))
    starts = np.flatnonzero(np.diff(component[order], prepend=-1))
    parts = np.split(order, starts[1:])
    return [p for p in parts if group[p[0]] != group[p[-1]]]


def _merge_component(vectors: np.ndarray, group: np.ndarray, memory: int, mirrored: bool) -> Merges:
    """Merges of all groups of a component, whose members come group by group."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    needed = 8 * len(starts) ** 2
    if needed > memory:
        raise BadInput("clustering", got=f"{len(starts):,} different neurons, whose distances take "
                       f"{needed / 2**30:.1f} GiB", expected=f"at most {memory / 2**30:.1f} GiB",
                       remedy=f"Set ClusterOptions(memory={needed}) or more, or have fewer students.")
    sizes = np.diff(np.append(starts, len(group)))
    names = group[starts].tolist()
    return [(names[a], names[b], height)
            for a, b, height in merge_groups(average_distances(vectors, sizes, mirrored), sizes)]


def _rename(group: np.ndarray, members: np.ndarray, merges: Merges) -> None:
    """Groups of the members after these merges."""
    into = {a: b for a, b, _ in merges}
    for a in reversed([a for a, _, _ in merges]):  # what took a group in may have been taken in later
        into[a] = into.get(into[a], into[a])
    group[members] = [into.get(g, g) for g in group[members].tolist()]


def _labelled(merges: Merges, n: int) -> np.ndarray:
    """Merges in the order of their heights as SciPy numbers them."""
    parent, count = list(range(2 * n - 1)), [1] * n + [0] * (n - 1)

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    tree = np.empty((n - 1, 4))
    for place, (a, b, height) in enumerate(sorted(merges, key=lambda merge: merge[2])):
        low, high = sorted((root(a), root(b)))
        parent[low] = parent[high] = n + place
        count[n + place] = count[low] + count[high]
        tree[place] = low, high, height, count[n + place]
    return tree
