"""Average linkage of canonical neurons, and the cuts of its tree (paper, section 4, step 2)."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from expandcluster.cluster.canonical import Neurons
from expandcluster.options import ClusterOptions
from expandcluster.results import LayerClusters

__all__ = ["cluster", "cut_again", "gap_height", "link", "paper_height"]

_SAME = 1e-6  # merges below this share of the neurons' size are rounding, and are not told apart


def cluster(neurons: Neurons, students: int, options: ClusterOptions) -> LayerClusters:
    """Cluster the neurons of one layer.

    Args:
        neurons: canonical neurons of all students.
        students: number of students N.
        options: cut, gamma and beta.
    """
    return cut_again(link(neurons.vectors), neurons.vectors, neurons.student, students, options)


def link(vectors: np.ndarray) -> np.ndarray:
    """SciPy's linkage matrix, average linkage on L2 distances; empty for fewer than two neurons."""
    return linkage(vectors, method="average") if len(vectors) > 1 else np.zeros((0, 4))


def cut_again(tree: np.ndarray, vectors: np.ndarray, student: np.ndarray, students: int,
              options: ClusterOptions) -> LayerClusters:
    """Cut a kept tree with other options, at no cost.

    Args:
        tree: linkage matrix.
        vectors: canonical vectors ``(neurons, fan_in + 1)``.
        student: student of each neuron ``(neurons,)``.
        students: number of students N.
        options: cut, gamma and beta.
    """
    least = max(1, int(np.ceil(options.gamma * students - 1e-9)))
    size = float(np.sqrt(np.mean(np.sum(vectors**2, axis=1)))) or 1.0
    height = gap_height(tree, size) if options.cut == "gap" else paper_height(tree, student, least)
    flat = fcluster(tree, height, criterion="distance") - 1 if len(tree) else np.zeros(len(vectors), int)
    labels = np.full(len(vectors), -1)
    support: list[int] = []
    angle: list[float] = []
    for members in (np.flatnonzero(flat == c) for c in range(flat.max() + 1)):
        found_in = len(np.unique(student[members]))
        spread = _median_angle(vectors[members])
        if found_in >= least and spread <= options.beta:
            labels[members] = len(support)
            support.append(found_in)
            angle.append(spread)
    return LayerClusters(tree, student, vectors, height, labels, np.array(support, int), np.array(angle))


def gap_height(tree: np.ndarray, size: float) -> float:
    """Height in the middle of the widest gap of the merge heights on a log scale.

    Args:
        tree: linkage matrix.
        size: typical norm of a neuron; heights below 1e-6 of it are rounding.
    """
    heights = np.log(np.maximum(np.concatenate([[0.0], np.sort(tree[:, 2]), [size]]), _SAME * size))
    heights = np.sort(heights)
    widest = int(np.argmax(np.diff(heights)))
    return float(np.exp((heights[widest] + heights[widest + 1]) / 2))


def paper_height(tree: np.ndarray, student: np.ndarray, least: int) -> float:
    """Lowest height at which most clusters have at least ``least`` distinct students.

    One pass over the merges: each changes the count by at most one.
    """
    n = len(student)
    found = [{int(s)} for s in student]
    count = n if least <= 1 else 0
    best, height = count, 0.0
    for left, right, at, _ in tree:
        a, b = found[int(left)], found[int(right)]
        count -= (len(a) >= least) + (len(b) >= least)
        found.append(a | b)
        count += len(found[-1]) >= least
        if count > best:
            best, height = count, float(at)
    return height


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
