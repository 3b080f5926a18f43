from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster
from tests.problems import random_teacher

from expandcluster.activations import get_activation
from expandcluster.cluster.canonical import Neurons, canonical_neurons, gather_neurons
from expandcluster.cluster.merge import merge
from expandcluster.cluster.tree import agreement_height, cluster, cut_again, gap_height, link, paper_height
from expandcluster.options import ClusterOptions


def population(activation: str, spread: float, copies: int = 6, seed: int = 0):
    """Students that hold the teacher's neurons up to symmetry and noise, each with one of its own besides."""
    teacher = random_teacher((4, 3, 2), activation, seed)
    rng = np.random.default_rng(seed)
    students = []
    for _ in range(copies):
        order = rng.permutation(3)
        w = teacher.weights[0][order] + spread * rng.normal(size=(3, 4))
        b = teacher.biases[0][order]
        if teacher.activation.symmetry.sign:
            flips = np.where(rng.random(3) < 0.5, -1.0, 1.0)
            w, b = w * flips[:, None], b * flips
        w, b = np.concatenate([w, 2 * rng.normal(size=(1, 4))]), np.append(b, rng.normal())
        students.append(type(teacher)((w, rng.normal(size=(2, 4))), (b, np.zeros(2)), teacher.activation))
    return teacher, students


@pytest.mark.parametrize("cut", ["gap", "paper"])
@pytest.mark.parametrize("activation", ["g", "tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-6, 1e-3])
def test_the_teachers_neurons_are_found(cut, activation, spread):
    teacher, students = population(activation, spread)
    neurons = gather_neurons(students, teacher.activation.symmetry)
    found = cluster(neurons, len(students), ClusterOptions(cut=cut, gamma=0.8))
    assert list(found.support) == [6, 6, 6]
    assert (found.angle <= 0.01).all()
    vectors, flips = merge(neurons, found.labels, range(len(students)))
    truth = np.concatenate([teacher.weights[0], teacher.biases[0][:, None]], axis=1)
    truth = canonical_neurons(truth, teacher.activation.symmetry)[0]
    vectors = vectors * np.where(flips, -1.0, 1.0)[:, None]
    distance = np.linalg.norm(truth[:, None] - vectors[None], axis=2)
    assert (np.sort(distance.min(axis=1)) <= 10 * spread + 1e-12).all()
    assert sorted(distance.argmin(axis=1)) == [0, 1, 2]


def test_copies_in_one_student_are_no_support():
    vectors = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    student = np.array([0, 0, 0, 0, 1])
    found = cut_again(link(vectors), vectors, student, 2, ClusterOptions(gamma=1.0))
    assert list(found.support) == [2] and list(found.labels) == [-1, -1, -1, 0, 0]


@pytest.mark.parametrize(("students", "support"), [(2, [2, 2]), (3, [3, 2])])
def test_a_neuron_of_one_student_is_no_cluster_where_there_are_two(students, support):
    vectors = [np.array([[1.0, 0], [0, 1], [-3, 2]]), np.array([[1.0, 1e-9], [1e-9, 1], [2, 5]]),
               np.array([[1.0, -1e-9], [7, 7], [4, -5]])][:students]
    student = np.repeat(np.arange(students), 3)
    found = cut_again(link(np.concatenate(vectors)), np.concatenate(vectors), student, students, ClusterOptions())
    assert sorted(found.support, reverse=True) == support


def test_a_single_neuron_everywhere_is_one_cluster():
    vectors = np.ones((5, 3)) + 1e-14 * np.arange(15).reshape(5, 3)
    found = cut_again(link(vectors), vectors, np.arange(5), 5, ClusterOptions())
    assert list(found.support) == [5]


def test_unaligned_clusters_are_dropped():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 5))
    tree = link(vectors)
    loose = cut_again(tree, vectors, np.arange(6), 6, ClusterOptions(cut="paper", gamma=1.0, beta=3.2))
    tight = cut_again(tree, vectors, np.arange(6), 6, ClusterOptions(cut="paper", gamma=1.0, beta=1e-3))
    assert len(loose.support) == 1 and len(tight.support) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 4))
def test_the_papers_height_counts_as_recomputed_cuts_do(seed, students, each):
    """The one pass over the merges against a flat clustering recomputed at every merge."""
    rng = np.random.default_rng(seed)
    vectors, student = rng.normal(size=(students * each, 2)), np.repeat(np.arange(students), each)
    tree, least = link(vectors), max(2, students - 1)

    def count(height: float) -> int:
        labels = fcluster(tree, height, criterion="distance")
        return sum(len(set(student[labels == c])) >= least for c in set(labels))

    best = max(count(h) for h in tree[:, 2])
    assert count(paper_height(tree, student, least)) == best


def test_gap_height_lies_between_copies_and_strangers():
    vectors = np.array([[1.0, 0], [1 + 1e-9, 0], [0, 1], [1e-9, 1]])
    height, clear = gap_height(link(vectors), np.array([0, 1, 0, 1]), 2, 1.0)
    assert 1e-8 < height < 0.5 and clear
    vectors[1, 0], vectors[3, 0] = 1.3, 0.3
    assert not gap_height(link(vectors), np.array([0, 1, 0, 1]), 2, 1.0)[1]


def test_canonical_vectors_do_not_depend_on_the_copy():
    for name in ["tanh", "relu", "leaky_relu", "gelu"]:
        symmetry = get_activation(name).symmetry
        v = np.random.default_rng(0).normal(size=(20, 5))
        first = canonical_neurons(v, symmetry)[0]
        if symmetry.sign:
            np.testing.assert_allclose(canonical_neurons(-v, symmetry)[0], first, atol=1e-14)
        if symmetry.homogeneous:
            np.testing.assert_allclose(canonical_neurons(3 * v, symmetry)[0], first, atol=1e-14)


def rough_students(errors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True neurons, those of students with such errors ``(students, neurons)``, and whose they are."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(errors.shape[1], 40))
    true /= np.linalg.norm(true, axis=1)[:, None]
    return (true, np.concatenate([true + e[:, None] * rng.normal(size=true.shape) / np.sqrt(40) for e in errors]),
            np.repeat(np.arange(len(errors)), errors.shape[1]))


@pytest.mark.parametrize("students", [2, 4, 7])
def test_without_a_clear_gap_the_tree_is_cut_where_students_agree_most(students):
    """Copies of rough students merge nearly as far up as strangers do, and the widest gap may be any."""
    errors = np.tile(np.geomspace(1e-3, 0.12, 30), (students, 1))
    _, vectors, student = rough_students(errors)
    clusters = cut_again(link(vectors), vectors, student, students, ClusterOptions())
    assert list(clusters.support) == [students] * 30


def test_neurons_that_students_do_not_share_are_no_clusters_without_a_clear_gap():
    rng = np.random.default_rng(3)
    _, vectors, student = rough_students(np.tile(np.geomspace(1e-3, 0.12, 30), (4, 1)))
    own = rng.normal(size=(80, 40)) / np.sqrt(40)
    copies = own[:20] + 0.01 * rng.normal(size=(20, 40)) / np.sqrt(40)  # pairs inside of a student
    vectors = np.concatenate([vectors, own, copies])
    student = np.concatenate([student, np.repeat(np.arange(4), 20), np.zeros(20, int)])
    clusters = cut_again(link(vectors), vectors, student, 4, ClusterOptions())
    assert list(clusters.support) == [4] * 30


def test_of_one_student_nothing_agrees():
    true, _, _ = rough_students(np.full((1, 5), 0.1))
    assert not len(cut_again(link(true), true, np.zeros(5, int), 1, ClusterOptions()).support)


def test_agreement_counts_mirrored_copies():
    _, vectors, student = rough_students(np.tile(np.geomspace(1e-3, 0.12, 10), (3, 1)))
    vectors[::3] *= -1
    tree = link(vectors, mirrored=True)
    height = agreement_height(tree, vectors, student, 2, ClusterOptions().beta, 1.0, mirrored=True)
    clusters = cut_again(tree, vectors, student, 3, ClusterOptions(), mirrored=True)
    assert clusters.height == height and list(clusters.support) == [3] * 10


def test_one_huge_bias_hides_no_cluster():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(3, 5))
    vectors = np.concatenate([true + 1e-12 * rng.normal(size=true.shape) for _ in range(4)] + [[[0, 0, 0, 0, 1e13]]])
    student = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0])
    assert len(cut_again(link(vectors), vectors, student, 4, ClusterOptions()).support) == 3


def test_second_copies_of_rough_students_belong_to_the_first():
    """Two kinks near a true one share its work in some students, and superfluous neurons have large biases."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(30, 40))
    true /= np.linalg.norm(true, axis=1)[:, None]
    errors = np.geomspace(1e-4, 0.12, 30)[:, None] / np.sqrt(40)  # no gap below these
    vectors = [true + errors * rng.normal(size=true.shape) for _ in range(4)]
    student = np.repeat(np.arange(4), 30)
    seconds = true[[0, 0, 1, 1]] + 0.02 * rng.normal(size=(4, 40)) / np.sqrt(40)
    huge = np.zeros((3, 40))
    huge[:, -1] = [6.0, 54.0, 480.0]
    everything = np.concatenate([*vectors, seconds, huge])
    student = np.concatenate([student, [2, 3, 2, 3], [0, 1, 2]])
    clusters = cut_again(link(everything), everything, student, 4, ClusterOptions())
    assert len(clusters.support) == 30 and clusters.support.min() == 4
    assert clusters.labels[120] == clusters.labels[121] == clusters.labels[0]


@pytest.mark.parametrize(("sign", "given_by"), [(0, 1), (-1, 0)])
def test_a_neuron_without_signs_is_given_by_a_student_that_has_it_once(sign, given_by):
    vectors = np.array([[1.0, 0.1], [1.0, -0.1], [1.0, 0.02], [1.0, 0.03]])
    neurons = Neurons(vectors, np.zeros(4, bool), np.ones(4), np.array([0, 0, 1, 2]), np.arange(4), sign)
    expected = vectors[:2].mean(axis=0) if given_by == 0 else vectors[2]
    np.testing.assert_array_equal(merge(neurons, np.zeros(4, int), range(3))[0], [expected])
