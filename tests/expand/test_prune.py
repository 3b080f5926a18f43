from __future__ import annotations

import numpy as np
from tests.problems import random_teacher

from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.expand.prune import prune, removal_costs, remove
from expandcluster.networks import Network, random_population, stack
from expandcluster.options import LMOptions

X = np.random.default_rng(0).normal(size=(400, 3))


def doubled(teacher: Network) -> Network:
    """The same function with the first neuron split into two copies."""
    w = np.concatenate([teacher.weights[0], teacher.weights[0][:1]])
    b = np.concatenate([teacher.biases[0], teacher.biases[0][:1]])
    a = np.concatenate([teacher.weights[1], 0.3 * teacher.weights[1][:, :1]], axis=1)
    a[:, 0] *= 0.7
    return Network((w, a), (b, teacher.biases[1]), teacher.activation)


def test_cost_is_the_least_squares_rise():
    teacher = random_teacher((3, 4, 2), "tanh", 0)
    costs = removal_costs(teacher, X)[0]
    for j in range(4):
        rise = np.sum((remove(teacher, X, 1, j)(X) - teacher(X)) ** 2)
        np.testing.assert_allclose(costs[j], rise, rtol=1e-6)


def test_duplicates_cost_nothing():
    teacher = random_teacher((3, 4, 2), "tanh", 1)
    costs = removal_costs(doubled(teacher), X)[0]
    assert costs[0] < 1e-10 * costs[1] and costs[4] < 1e-10 * costs[1]
    np.testing.assert_allclose(remove(doubled(teacher), X, 1, 4)(X), teacher(X), atol=1e-5)


def test_students_become_as_small_as_the_teacher():
    teacher = random_teacher((3, 4, 2), "tanh", 2)
    samples = Samples(X, teacher(X), 1e-26)

    def train(population, samples):
        return levenberg_marquardt(population, samples, teacher.activation, LMOptions(steps=100, patience=20))

    wave = train(random_population((3, 10, 2), 4, 0), samples)
    students, loss = prune(wave, samples, teacher.activation, train)
    exact = [n.hidden_sizes for n, at in zip(students, loss, strict=True) if at <= samples.floor]
    assert exact and all(sizes == (4,) for sizes in exact)
    assert all(n.hidden_sizes >= (4,) for n in students)


def test_no_smaller_student_is_tried_twice():
    """The costs of its neurons end a removal of many early, and half as many are then the same ones."""
    teacher = random_teacher((3, 4, 2), "tanh", 2)
    samples, tried = Samples(X, teacher(X), 1e-26), []

    def train(population, samples):
        tried.append(np.concatenate([np.asarray(w)[0].ravel() for w in population.weights]).tobytes())
        return levenberg_marquardt(population, samples, teacher.activation, LMOptions(steps=100, patience=20))

    wave = train(stack([doubled(teacher)]), samples)
    for most_tries in (1, 3):
        tried.clear()
        (student,), _ = prune(wave, samples, teacher.activation, train, most_tries=most_tries)
        assert student.hidden_sizes == (4,)
        assert len(tried) == len(set(tried)) == 1 + most_tries  # the copy, and neurons that cannot go


def test_students_far_from_the_floor_are_left_alone():
    teacher = random_teacher((3, 4, 2), "tanh", 3)
    samples = Samples(X, teacher(X), 1e-26)
    wave = levenberg_marquardt(random_population((3, 2, 2), 2, 0), samples, teacher.activation, LMOptions(steps=5))
    students, loss = prune(wave, samples, teacher.activation, lambda population, samples: None)
    assert [n.sizes for n in students] == [(3, 2, 2)] * 2
    np.testing.assert_array_equal(loss, wave.loss)
