"""Average linkage of canonical neurons, and the cuts of its tree (paper, section 4, step 2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from expandcluster.cluster.canonical import Neurons
from expandcluster.cluster.distances import condensed_distances
from expandcluster.cluster.large import link_by_components
from expandcluster.options import ClusterOptions
from expandcluster.progress import NeuronsLinked, Progress, silent
from expandcluster.results import LayerClusters

__all__ = ["agreement_height", "cluster", "cut_again", "gap_height", "least_students", "link", "members_of",
           "paper_height"]

_GAP, _CLEAR = 2.0, 10.0  # a factor between two heights that is more than chance; that parts copies from strangers
_SAME = 1e-6  # merges below this share of the neurons' size are rounding, and are not told apart


def cluster(neurons: Neurons, students: int, options: ClusterOptions, progress: Progress = silent) -> LayerClusters:
    """Cluster the neurons of one layer.

    Args:
        neurons: canonical neurons of all students.
        students: number of students N.
        options: cut, gamma, beta and memory.
        progress: told if there is no room for the distances of all pairs.

    Raises:
        BadInput: see :func:`link`.
    """
    n, mirrored = len(neurons.vectors), neurons.sign != 0
    if _bytes(n) > options.memory:
        progress(NeuronsLinked("cluster", f"distances of all pairs of {n:,} neurons take {_bytes(n) / 2**30:.1f} GiB, "
                               f"more than {options.memory / 2**30:.1f}: copies are merged first",
                               {"linked": n, "bytes": _bytes(n)}))
    tree = link(neurons.vectors, mirrored=mirrored, memory=options.memory)
    return cut_again(tree, neurons.vectors, neurons.student, students, options, mirrored=mirrored)


def link(vectors: np.ndarray, *, mirrored: bool = False, memory: int = ClusterOptions().memory) -> np.ndarray:
    """SciPy's linkage matrix, average linkage on L2 distances; empty for fewer than two neurons.

    Args:
        vectors: canonical vectors ``(neurons, fan_in + 1)``.
        mirrored: v and -v are the same neuron: the smaller one of ``|u - v|`` and ``|u + v|`` is their distance.
            Canonical form alone would part the copies of a neuron that is near its hyperplane.
        memory: bytes that distances may take. Where those of all pairs take more, copies are merged first: the same
            tree, see :mod:`expandcluster.cluster.large`.

    Raises:
        BadInput: even the distances of all different neurons take more.
    """
    if len(vectors) < 2:
        return np.zeros((0, 4))
    if _bytes(len(vectors)) > memory:
        return link_by_components(vectors, memory, mirrored)
    return linkage(condensed_distances(vectors, mirrored), method="average")


def _bytes(neurons: int) -> int:
    """What the distances of all pairs take, and the copy on which SciPy works."""
    return 2 * 8 * (neurons * (neurons - 1) // 2)


def cut_again(tree: np.ndarray, vectors: np.ndarray, student: np.ndarray, students: int,
              options: ClusterOptions, *, mirrored: bool = False) -> LayerClusters:
    """Cut a kept tree with other options, at no cost.

    Args:
        tree: linkage matrix.
        vectors: canonical vectors ``(neurons, fan_in + 1)``.
        student: student of each neuron ``(neurons,)``.
        students: number of students N.
        options: cut, gamma and beta.
        mirrored: as the tree was linked; see :func:`link`.
    """
    least = least_students(options, students)
    sizes = np.linalg.norm(vectors, axis=1)
    size = float(np.median(sizes) if len(sizes) else 0.0) or 1.0  # a superfluous neuron's bias may be huge

    def at(height: float) -> LayerClusters:
        return _cut(tree, height, vectors, student, least, options.beta, mirrored=mirrored)

    if options.cut == "paper" or not len(tree):
        return at(paper_height(tree, student, least))
    height, clear = gap_height(tree, student, least, size)
    clusters = at(height)
    if students == 1 or (clear and len(clusters.support)):
        return clusters
    # Copies merge nearly as far up as strangers do.
    agreeing = at(agreement_height(tree, vectors, student, least, options.beta, size, mirrored=mirrored))
    return agreeing if len(agreeing.support) else clusters


def least_students(options: ClusterOptions, students: int) -> int:
    """In how many of the students a neuron must be found: a share of them; in two, where there are two.

    Of two students half would be one, and every neuron a cluster. The paper's cut is as in the paper.
    """
    least = 2 if options.cut == "gap" and students > 1 else 1
    return max(least, int(np.ceil(options.gamma * students - 1e-9)))


def _cut(tree: np.ndarray, height: float, vectors: np.ndarray, student: np.ndarray, least: int, beta: float, *,
         mirrored: bool) -> LayerClusters:
    """The clusters below ``height`` with neurons of enough students, and aligned."""
    flat = fcluster(tree, height, criterion="distance") - 1 if len(tree) else np.zeros(len(vectors), int)
    if mirrored:
        vectors = _one_side(vectors, flat)
    labels = np.full(len(vectors), -1)
    support: list[int] = []
    angle: list[float] = []
    for members in members_of(flat):
        found_in = len(np.unique(student[members]))
        if found_in >= least and (spread := _median_angle(vectors[members])) <= beta:
            labels[members] = len(support)
            support.append(found_in)
            angle.append(spread)
    return LayerClusters(tree, student, vectors, height, labels, np.array(support, int), np.array(angle), mirrored)


def members_of(labels: np.ndarray) -> Iterator[np.ndarray]:
    """The neurons of label 0, of label 1, and so on; those of label -1 are left out."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(labels.max(initial=-1) + 2))
    return (order[start:stop] for start, stop in itertools.pairwise(ends))


def _one_side(vectors: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """The vectors, those of each cluster on the side where most of them are."""
    first = np.unique(flat, return_index=True)[1]
    other = np.einsum("nd,nd->n", vectors, vectors[first[flat]]) < 0
    most = 2 * np.bincount(flat, weights=other) > np.bincount(flat)
    return np.where((other ^ most[flat])[:, None], -vectors, vectors)


def gap_height(tree: np.ndarray, student: np.ndarray, least: int, size: float) -> tuple[float, bool]:
    """Height in a wide gap of the merge heights, where most clusters have at least ``least`` students.

    Also whether it is one of a factor of ten that begins below the size of neurons.

    Copies of a neuron merge at rounding errors, strangers far above: only gaps of a factor of ten
    count (the widest one, where there is none), and of several the widest. Where there is one of a factor of two
    below the size of neurons, none above counts: only superfluous ones of huge biases are so far from all others.

    Args:
        tree: linkage matrix.
        student: student of each neuron ``(neurons,)``.
        least: fewest distinct students of a cluster that counts.
        size: typical norm of a neuron; heights below 1e-6 of it are rounding and not told apart.
    """
    counts, gaps, heights = _intervals(tree, student, least, _SAME * size, size)
    near = np.where(heights[:-1] <= max(size, heights[0]), gaps, -1.0)
    gaps = near if near.max() >= np.log(_GAP) else gaps
    wide = gaps >= min(np.log(_CLEAR), gaps.max())
    return _best(np.where(wide, counts, -1), gaps, heights), bool(near.max() >= np.log(_CLEAR))


def paper_height(tree: np.ndarray, student: np.ndarray, least: int) -> float:
    """Height at which most clusters have at least ``least`` students (paper, section 4).

    Where several heights tie, the one in the widest gap.
    """
    counts, gaps, heights = _intervals(tree, student, least, 1e-300, 0.0)
    return _best(counts, gaps, heights)


def agreement_height(tree: np.ndarray, vectors: np.ndarray, student: np.ndarray, least: int, beta: float,
                     size: float, *, mirrored: bool = False) -> float:
    """Height, below the size of neurons, where students agree most.

    A cluster of aligned neurons counts once if ``least`` students have one of them, and once more for each further one:
    cut too low, copies are parted from the others, cut too high, strangers join, and the cluster is no longer aligned.

    Args:
        tree: linkage matrix.
        vectors: canonical vectors ``(neurons, fan_in + 1)``.
        student: student of each neuron ``(neurons,)``.
        least: fewest distinct students of a cluster that counts, two or more.
        beta: largest mean angle, by its cosine, to the mean direction of a cluster that counts, in radians.
        size: typical norm of a neuron.
        mirrored: v and -v are the same neuron.
    """
    sums = dict(enumerate(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)))
    found = {n: {int(s)} for n, s in enumerate(student)}
    worth = dict.fromkeys(sums, 0)
    gaps, heights = _gaps(tree, _SAME * size, 0.0)
    total, totals = 0, np.full(len(tree), -1)
    low = np.count_nonzero(tree[:, 2] <= max(size, tree[0, 2]))
    for merge, (left, right, _, members) in enumerate(tree[:low]):
        a, b, new = int(left), int(right), len(vectors) + merge
        one, other = sums.pop(a), sums.pop(b)
        sums[new] = one - other if mirrored and one @ other < 0 else one + other
        found[new] = found.pop(a) | found.pop(b)
        aligned = np.linalg.norm(sums[new]) >= np.cos(beta) * members
        worth[new] = max(len(found[new]) - least + 1, 0) if aligned else 0
        total += worth[new] - worth.pop(a) - worth.pop(b)
        totals[merge] = total
    return _best(totals, gaps, heights)


def _intervals(tree: np.ndarray, student: np.ndarray, least: int, rounding: float, top: float
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters that count after each merge, log widths of the intervals above it, and their ends.

    One pass over the merges: each changes the count by at most one.
    """
    found = [{int(s)} for s in student]
    count = len(student) if least <= 1 else 0
    counts = []
    for left, right, _, _ in tree:
        a, b = found[int(left)], found[int(right)]
        found.append(a | b)
        count += int(len(found[-1]) >= least) - int(len(a) >= least) - int(len(b) >= least)
        counts.append(count)
    return np.array(counts), *_gaps(tree, rounding, top)


def _gaps(tree: np.ndarray, rounding: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    """Log widths of the intervals above each merge, and their ends; heights below ``rounding`` are one."""
    last = max(top, 2.0 * float(tree[-1, 2])) if len(tree) else top
    heights = np.maximum(np.append(tree[:, 2], last), rounding)
    return np.diff(np.log(heights)), heights


def _best(counts: np.ndarray, gaps: np.ndarray, heights: np.ndarray) -> float:
    if not len(counts):
        return 0.0
    place = int(np.argmax(np.where(counts == counts.max(), gaps, -1.0)))
    return float(np.sqrt(heights[place] * heights[place + 1]))


def _median_angle(vectors: np.ndarray) -> float:
    """Median angle in radians between the members of a cluster and their mean direction."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    mean = unit.mean(axis=0)
    norm = np.linalg.norm(mean)
    if norm == 0:
        return float(np.pi)
    # 2 asin(|u - v| / 2) keeps its precision at small angles, arccos does not
    chord = np.linalg.norm(unit - mean / norm, axis=1)
    return float(np.median(2 * np.arcsin(np.minimum(chord / 2, 1.0))))
