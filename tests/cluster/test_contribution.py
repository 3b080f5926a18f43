"""Which neurons contribute: duplicates do, neurons that are constant or lead nowhere do not."""

from __future__ import annotations

import numpy as np
from tests.problems import random_teacher

from expandcluster.cluster.contribution import contributing, contributions
from expandcluster.networks import Network

X = np.random.default_rng(0).normal(size=(300, 3))


def with_neurons(teacher: Network, w: list[list[float]], b: list[float], a: list[float]) -> Network:
    """The teacher with neurons of one outgoing weight each besides its own."""
    weights = (np.concatenate([teacher.weights[0], np.array(w)]),
               np.concatenate([teacher.weights[1], np.array([a])], axis=1))
    return Network(weights, (np.concatenate([teacher.biases[0], b]), teacher.biases[1]), teacher.activation)


def test_what_leads_nowhere_does_not_contribute_and_duplicates_do() -> None:
    teacher = random_teacher((3, 2, 1), "tanh", 0)
    first = teacher.weights[0][0].tolist()
    student = with_neurons(teacher, [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], first], [0.1, 0.7, float(teacher.biases[0][0])],
                           [0.0, 5.0, 1.0])
    y = student(X)
    variance = float(np.sum((y - y.mean(axis=0)) ** 2))
    keep = contributing([teacher, student], X, variance, 1e-12)
    assert keep.tolist() == [True, True, True, True, False, False, True]


def test_the_threshold_is_relative_to_the_answers() -> None:
    teacher = random_teacher((3, 3, 1), "g", 1)
    y = teacher(X)
    variance = float(np.sum((y - y.mean(axis=0)) ** 2))
    share = contributions([teacher], X) / variance
    for threshold in (0.0, *(1.001 * np.sort(share))):
        assert contributing([teacher], X, variance, threshold).sum() == (share > threshold).sum()


def test_of_more_neurons_than_samples_what_they_reach_counts() -> None:
    teacher = random_teacher((3, 2, 1), "tanh", 0)
    student = with_neurons(teacher, np.random.default_rng(0).normal(size=(40, 3)).tolist(), [0.1] * 40,
                           [0.0] * 20 + [1e-3] * 20)
    y = student(X[:30])
    keep = contributing([student], X[:30], float(np.sum((y - y.mean(axis=0)) ** 2)), 1e-12)
    assert keep.tolist() == [True] * 2 + [False] * 20 + [True] * 20
