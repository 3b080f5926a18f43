"""Trees of many neurons: distances exact between copies, and the same tree whether or not all distances have room."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from benchmarks.clustering_scale import made_up_students
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist

from expandcluster.cluster.canonical import Neurons, gather_neurons
from expandcluster.cluster.contribution import contributing
from expandcluster.cluster.distances import average_distances, condensed_distances, near_pairs
from expandcluster.cluster.large import merge_groups
from expandcluster.cluster.merge import merge, outgoing
from expandcluster.cluster.tree import cluster, cut_again, link
from expandcluster.errors import BadInput
from expandcluster.options import ClusterOptions
from expandcluster.progress import Event, NeuronsLinked


def copies(rng: np.random.Generator, neurons: int, students: int, inputs: int, mirrored: bool) -> np.ndarray:
    """Copies with errors from 1e-15 to 1e-2, as many neurons of their own, some near zero, some equal."""
    centre = rng.normal(size=(neurons, inputs))
    rows = [centre + 10.0 ** rng.uniform(-15, -2) * rng.normal(size=centre.shape) for _ in range(students)]
    rows += [rng.normal(size=(neurons * students // 4, inputs)), 1e-6 * rng.normal(size=(20, inputs)), rows[0][:5]]
    vectors = np.concatenate(rows)
    return vectors * np.where(rng.random(len(vectors)) < 0.5, -1.0, 1.0)[:, None] if mirrored else vectors


def exact_distances(vectors: np.ndarray, mirrored: bool) -> np.ndarray:
    return np.minimum(cdist(vectors, vectors), cdist(vectors, -vectors)) if mirrored else cdist(vectors, vectors)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("inputs", [2, 40, 785])
def test_distances_are_exact_between_copies_too(inputs: int, mirrored: bool) -> None:
    vectors = copies(np.random.default_rng(inputs), 30, 8, inputs, mirrored)
    exact = exact_distances(vectors, mirrored)[np.triu_indices(len(vectors), 1)]
    np.testing.assert_allclose(condensed_distances(vectors, mirrored), exact, rtol=1e-8, atol=0)
    if not mirrored:
        np.testing.assert_allclose(condensed_distances(vectors), pdist(vectors), rtol=1e-8, atol=0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_blocks_of_any_size_give_the_same_pairs_and_means(mirrored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = copies(np.random.default_rng(1), 20, 7, 5, mirrored)
    exact = exact_distances(vectors, mirrored)
    sizes = np.random.default_rng(2).multinomial(len(vectors) - 40, np.full(40, 1 / 40)) + 1
    group = np.repeat(np.arange(40), sizes)
    means = np.array([[exact[np.ix_(group == a, group == b)].mean() for b in range(40)] for a in range(40)])
    np.fill_diagonal(means, np.inf)
    for entries in (1, 300, 1000, 10**7):
        monkeypatch.setattr("expandcluster.cluster.distances._ENTRIES", entries)
        monkeypatch.setattr("expandcluster.cluster.distances._STRIP", max(1, entries // 100))
        first, second, distance = (np.concatenate(p) for p in zip(*near_pairs(vectors, 0.5, mirrored), strict=True))
        wanted = np.argwhere(np.triu(exact <= 0.5, 1))
        assert sorted(zip(first, second, strict=True)) == sorted(map(tuple, wanted))
        np.testing.assert_allclose(distance, exact[first, second], rtol=1e-8)
        np.testing.assert_allclose(average_distances(vectors, sizes, mirrored), means, rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_groups_merge_as_scipys_average_linkage_goes_on(seed: int) -> None:
    """A tree cut anywhere and continued from its groups is the whole tree."""
    vectors = np.random.default_rng(seed).normal(size=(60, 3))
    whole = linkage(vectors, "average")
    height = float(whole[10 * seed, 2])
    flat = fcluster(whole, height, "distance") - 1
    order = np.argsort(flat, kind="stable")
    sizes = np.bincount(flat)
    merges = merge_groups(average_distances(vectors[order], sizes), sizes)
    np.testing.assert_allclose(sorted(m[2] for m in merges), whole[whole[:, 2] > height, 2], rtol=1e-10)


def same_tree(one: np.ndarray, other: np.ndarray) -> None:
    """Equal heights up to rounding, and the same clusters wherever a cut lies clearly between two heights."""
    np.testing.assert_allclose(one[:, 2], other[:, 2], rtol=1e-7, atol=1e-14)
    ratio = one[1:, 2] / np.maximum(one[:-1, 2], 1e-300)
    for place in np.flatnonzero((ratio > 1.01) & (one[1:, 2] > 1e-13))[::7]:
        cut = float(np.sqrt(max(one[place, 2], 1e-14) * one[place + 1, 2]))
        a, b = (fcluster(tree, cut, "distance") for tree in (one, other))
        assert len(set(zip(a, b, strict=True))) == a.max() == b.max()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("neurons, students, inputs", [(40, 6, 3), (60, 20, 30), (150, 10, 100), (250, 4, 785)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_tree_is_the_same_without_room_for_all_distances(neurons: int, students: int, inputs: int, mirrored: bool,
                                                              seed: int) -> None:
    vectors = copies(np.random.default_rng(seed), neurons, students, inputs, mirrored)
    different = neurons + neurons * students // 4 + 20
    whole = link(vectors, mirrored=mirrored)
    parts = link(vectors, mirrored=mirrored, memory=8 * (different + 1) ** 2)
    same_tree(whole, parts)


def test_neurons_that_fill_space_give_the_same_tree() -> None:
    """In two dimensions components of close neurons reach across everything."""
    vectors = np.random.default_rng(0).uniform(size=(1500, 2))
    same_tree(link(vectors), link(vectors, memory=8 * 1500**2))


def test_a_forest_of_few_pairs_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = copies(np.random.default_rng(3), 50, 12, 20, True)
    whole = link(vectors, mirrored=True, memory=8 * 400**2)
    monkeypatch.setattr("expandcluster.cluster.large._BUFFER", 50)
    monkeypatch.setattr("expandcluster.cluster.distances._ENTRIES", 3000)
    same_tree(whole, link(vectors, mirrored=True, memory=8 * 400**2))


@pytest.mark.parametrize("activation", ["g", "tanh", "sigmoid", "softplus", "relu"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_neurons_are_found_either_way(activation: str, seed: int) -> None:
    teacher, students = made_up_students(1200, activation, seed, students=12, inputs=60)
    x = np.random.default_rng(1).normal(size=(500, 60)) / 8
    y = teacher(x)
    neurons = gather_neurons(students, teacher.activation.symmetry)
    neurons = neurons.take(contributing(students, x, float(np.sum((y - y.mean(axis=0)) ** 2)), 1e-9))
    told: list[Event] = []
    whole = cluster(neurons, 12, ClusterOptions(), told.append)
    assert not told
    parts = cluster(neurons, 12, ClusterOptions(memory=8 * 300**2), told.append)
    assert len(whole.support) == teacher.hidden_sizes[0] and whole.support.min() >= 11
    assert [type(e) for e in told] == [NeuronsLinked] and told[0].neurons == len(neurons.vectors)
    assert told[0].bytes > 8 * 300**2 and "copies are merged first" in told[0].message
    labels = set(zip(whole.labels, parts.labels, strict=True))
    assert len(labels) == len(whole.support) + 1 and (-1, -1) in labels
    order = [next(b for a, b in labels if a == c) for c in range(len(whole.support))]
    np.testing.assert_array_equal(whole.support, parts.support[order])
    np.testing.assert_allclose(whole.angle, parts.angle[order], rtol=1e-6, atol=1e-15)
    assert whole.height == pytest.approx(parts.height, rel=1e-6)
    for found in (whole, parts):
        again = cut_again(found.linkage, found.vectors, found.student, 12, ClusterOptions(gamma=0.9),
                          mirrored=found.mirrored)
        assert len(again.support) == teacher.hidden_sizes[0]


def test_too_little_memory_says_how_much_is_needed() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 20))
    with pytest.raises(BadInput, match=r"clustering: got 300 different neurons.*Set ClusterOptions\(memory=720000\)"):
        link(vectors, memory=1000)
    assert len(link(vectors, memory=720_000)) == 299


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus", "sigmoid"])
def test_copies_on_both_sides_of_the_hyperplane_are_one_neuron(activation: str) -> None:
    """Canonical form parts the copies of a neuron in its hyperplane; its merged neuron and its work are right."""
    teacher, students = made_up_students(200, activation, 0, students=10, inputs=6)
    symmetry = teacher.activation.symmetry
    normal = np.random.default_rng(0).normal(size=7)
    rows = np.concatenate([teacher.weights[0], teacher.biases[0][:, None]], axis=1)
    rows[0] -= (rows[0] @ normal) * normal / (normal @ normal)  # now in the hyperplane
    rng = np.random.default_rng(1)
    moved = []
    for _ in range(10):
        at = rows + 1e-6 * rng.normal(size=rows.shape)
        flip = np.where(rng.random(len(rows)) < 0.5, -1.0, 1.0) if symmetry.sign else np.ones(len(rows))
        out = teacher.weights[1] * np.where(flip < 0, symmetry.sign, 1.0)
        moved.append(dataclasses.replace(students[0], weights=((at * flip[:, None])[:, :-1], out),
                                         biases=((at * flip[:, None])[:, -1], teacher.biases[1])))
    neurons = gather_neurons(moved, symmetry)
    first = neurons.index == 0
    canonical = neurons.vectors[first]
    assert 0 < (canonical @ canonical[0] < 0).sum() < 10, "the example has copies on both sides"
    found = cluster(neurons, 10, ClusterOptions(gamma=0.1))
    assert found.support.tolist() == [10] * len(rows)
    turned = neurons.as_in(found.vectors)
    incoming, flips = merge(turned, found.labels, range(10))
    for s in range(10):
        weights, _ = outgoing(moved[s], s, turned, found.labels, flips, symmetry)
        for i in np.flatnonzero(turned.student == s):
            c, at = found.labels[i], turned.index[i]
            same = np.append(moved[s].weights[0][at], moved[s].biases[0][at]) @ incoming[c] > 0
            wanted = moved[s].weights[1][:, at] * abs(turned.scale[i]) * (1.0 if same else symmetry.sign)
            np.testing.assert_allclose(weights[:, c], wanted, rtol=1e-12)


def test_neurons_as_in_other_vectors_are_the_same_neurons() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, -1.0]])
    neurons = Neurons(vectors, np.array([True, False]), np.array([-2.0, 3.0]), np.array([0, 1]), np.array([0, 0]), -1)
    turned = neurons.as_in(vectors * [[-1.0], [1.0]])
    assert turned.flipped.tolist() == [False, False] and turned.scale.tolist() == [2.0, 3.0]
    assert turned.vectors.tolist() == [[-1.0, -2.0], [3.0, -1.0]] and turned.take(np.array([1])).sign == -1
