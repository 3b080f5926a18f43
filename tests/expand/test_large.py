"""What replaces exact Gauss-Newton steps where networks are large: each part against its exact counterpart."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import imitation

from expandcluster.activations import get_activation
from expandcluster.error_bars import determined, error_bars
from expandcluster.error_bars_large import determined_large, large_error_bars
from expandcluster.error_bars_sampled import determined_by_few, determined_sampled
from expandcluster.expand import normal_matrix as host
from expandcluster.expand.gauss_newton import flatten, gram
from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.expand.matrix_free import matrix_free
from expandcluster.expand.normal_matrix import factorised, normal_matrix
from expandcluster.expand.population import Samples, Status
from expandcluster.networks import Network, random_population
from expandcluster.options import LMOptions
from expandcluster.precision import float64
from expandcluster.queries.coordinates import Coordinates
from expandcluster.reconstruct.polish import polish

SIZES = [((3, 4, 2), "tanh"), ((5, 3, 4, 2), "gelu"), ((4, 6, 3), "relu")]


def network_of(sizes, activation, seed=0):
    return random_population(sizes, 1, seed).network(0, get_activation(activation))


@pytest.mark.parametrize(("sizes", "activation"), SIZES)
def test_normal_matrix_is_that_of_gauss_newton(sizes, activation):
    network = network_of(sizes, activation)
    x = np.random.default_rng(0).normal(size=(5000, sizes[0]))  # more than one chunk
    with float64():
        theta = flatten(network.weights, network.biases)
        _, _, exact = gram(theta, sizes, network.activation, x, network(x), np.ones(len(x)))
    np.testing.assert_allclose(normal_matrix(network, x), np.asarray(exact), rtol=1e-9, atol=1e-9 * np.abs(exact).max())


@pytest.mark.parametrize("block", [3, 10, 50])
def test_factorisation_in_blocks(monkeypatch, block):
    monkeypatch.setattr(host, "_BLOCK", block)
    root = np.random.default_rng(0).normal(size=(20, 20))
    factor, added = factorised(root @ root.T, 1e-3, np.arange(20.0))
    assert added == 1e-3
    np.testing.assert_allclose(factor, np.linalg.cholesky(root @ root.T + 1e-3 * np.diag(np.arange(20.0))), atol=1e-12)


def test_factorisation_adds_more_where_rounding_forbids_it(monkeypatch):
    monkeypatch.setattr(host, "_BLOCK", 4)
    matrix = np.ones((10, 10))
    matrix[9, 9] = 1.0 - 1e-9  # not positive by a little, in the last block
    factor, added = factorised(matrix, 1e-12)
    assert 5e-10 < added < 5e-9
    np.testing.assert_allclose(factor @ factor.T, matrix + added * np.eye(10), atol=1e-14)


@pytest.mark.parametrize("sizes", [(6, 3, 2), (6, 3, 3, 2)])
def test_steps_without_the_matrix_reach_the_floor(sizes):
    teacher, samples = imitation(sizes, "tanh", 1e-16)
    students = random_population((sizes[0], *(2 * h for h in sizes[1:-1]), sizes[-1]), 3, 0)
    result = matrix_free(students, samples, teacher.activation, LMOptions(steps=300))
    assert (result.status == Status.FLOOR).sum() >= 2
    best = int(np.argmin(result.loss))
    assert samples.relative_loss(result.population.network(best, teacher.activation)(samples.x)) <= 1e-16


def test_pruned_neurons_stay_pruned_without_the_matrix():
    teacher, samples = imitation((3, 2, 2), "tanh", 1e-20)
    students = random_population((3, 5, 2), 2, 0)
    students.alive[0][:, 4] = False
    for array in (students.weights[0][:, 4], students.biases[0][:, 4], students.weights[1][:, :, 4]):
        array[:] = 0.0
    trained = matrix_free(students, samples, teacher.activation, LMOptions(steps=20)).population
    assert not trained.weights[0][:, 4].any() and not trained.weights[1][:, :, 4].any()


def test_large_students_are_trained_without_the_matrix():
    teacher, samples = imitation((3, 2, 2), "tanh", 1e-20)
    students = random_population((3, 4, 2), 2, 0)
    small = LMOptions(steps=30, largest_matrix=1000)
    assert fits((3, 4, 2), LMOptions()) and not fits((3, 4, 2), small) and not fits((784, 4, 2), LMOptions())
    one, other = (train(students, samples, teacher.activation, small) for train in (levenberg_marquardt, matrix_free))
    np.testing.assert_array_equal(one.loss, other.loss)


def images(samples, seed=0):
    """Rows with an input that never varies, one that varies in a single row, and two that are the same."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(size=(samples, 8)), 0.0, None)
    x[:, 3], x[:, 4] = 0.0, 0.0
    x[7, 4], x[:, 6] = 0.5, x[:, 5]
    return x


@pytest.mark.parametrize("activation", ["tanh", "relu", "g"])
def test_polish_ends_at_rounding_where_samples_leave_directions_open(activation):
    teacher = network_of((8, 3, 2), activation)
    x = images(400)
    where = Coordinates.of_rows(x)
    truth = where.lower(teacher)
    rng = np.random.default_rng(1)
    near = Network(tuple(w + 1e-4 * rng.normal(size=w.shape) for w in truth.weights), truth.biases, truth.activation)
    samples = Samples(where.inside(x), teacher(x))
    polished, loss, steps = polish(near, samples)
    assert loss < 1e-27 and 0 < steps <= 40
    assert loss == pytest.approx(samples.relative_loss(polished(samples.x)), rel=0.5, abs=1e-30)
    found, true = (where.lift(n).weights[0][:, [0, 1, 2, 7]] for n in (polished, truth))
    if activation == "relu":
        found, true = (w / np.linalg.norm(w, axis=1, keepdims=True) for w in (found, true))
    np.testing.assert_allclose(found, true, atol=1e-9)


def test_polish_follows_neurons_that_bend_on_the_way(monkeypatch):
    """Weights of inputs that few samples use are far off: straight steps end in another minimum."""
    rng = np.random.default_rng(2)
    teacher = network_of((12, 3, 2), "tanh")
    x = np.clip(rng.normal(size=(600, 12)), 0.0, None)
    for rare in range(4, 12):
        x[:, rare] *= rng.uniform(size=600) < 0.01
    where, first = Coordinates.of_rows(x), teacher.weights[0].copy()
    first[:, 4:] += 2.0 * rng.normal(size=(3, 8))
    start = where.lower(Network((first, *teacher.weights[1:]), teacher.biases, teacher.activation))
    samples = Samples(where.inside(x), teacher(x))
    assert polish(start, samples)[1] < 1e-29
    monkeypatch.setattr("expandcluster.reconstruct.polish._TURN", 0.0)
    assert polish(start, samples)[1] > 1e-8


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_error_bars_of_large_networks_are_those_of_small_ones(activation):
    teacher = network_of((8, 3, 2), activation)
    x = images(400)
    where = Coordinates.of_rows(x)
    noise, lasting = 1e-3, np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    known = determined_large(where.lower(teacher), Samples(where.inside(x), teacher(x)), noise, checked=True)
    bars = large_error_bars(known, where, lasting)
    small = determined(teacher, Samples(x, teacher(x)), noise, checked=True)
    exact = error_bars(small, lasting)
    assert [b.shape for b in bars] == [b.shape for b in exact]
    for found, true in zip(bars, exact, strict=True):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(true))
        np.testing.assert_allclose(found, true, rtol=1e-3)
    assert np.isnan(bars[0][:, 3]).all() and np.isnan(bars[0][:, 5:7]).all() and not np.isnan(bars[0][:, :3]).any()
    other = images(50, 1)
    other[:5, 4] = 0.5  # what one row has told of
    (told, expected), (told_small, expected_small) = known.of_answers(where.inside(other)), small.of_answers(other)
    np.testing.assert_array_equal(told, told_small)
    # One row gives two equations for three weights; a ReLU neuron that is silent there needs none.
    assert told[:5].any() == (activation == "relu") and told[8:].all()
    np.testing.assert_allclose(expected[told], expected_small[told], rtol=1e-3)
    with float64():
        np.testing.assert_array_equal(known.of_answers(where.inside(other))[1], expected)


@pytest.mark.parametrize("open_", [0, 2, 14])
def test_open_directions_are_found_with_pivots_and_without(open_):
    teacher, rng = network_of((20, 3, 2), "tanh"), np.random.default_rng(0)
    x = rng.normal(size=(400, 20 - open_)) @ rng.normal(size=(20 - open_, 20)) / 4.0
    samples = Samples(x, teacher(x))
    known = [determined_large(teacher, samples), determined_large(teacher, samples, checked=True),
             determined(teacher, samples)]
    assert [one.null.shape[1] for one in known] == 3 * [3 * open_]  # of each neuron; 42 are more than one look finds
    looked, pivots, small = (one.null @ one.null.T for one in known)
    np.testing.assert_allclose(looked, small, atol=1e-7)
    np.testing.assert_allclose(pivots, small, atol=1e-7)


@pytest.mark.parametrize("sizes", [(8, 3, 2), (8, 4, 3, 2)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_samples_of_the_null_space_tell_what_is_determined(activation, sizes):
    teacher, x, noise = network_of(sizes, activation), images(600), 1e-3
    where = Coordinates.of_rows(x)
    network, samples = where.lower(teacher), Samples(where.inside(x), teacher(x))
    known, exact = (tell(network, samples, noise) for tell in (determined_sampled, determined_large))
    ratios = []
    lasting = np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    for bar, true in zip(*(large_error_bars(one, where, lasting) for one in (known, exact)), strict=True):
        np.testing.assert_array_equal(np.isnan(bar), np.isnan(true))
        ratios.append((bar / true)[~np.isnan(true)])
    ratio = np.concatenate(ratios)
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0, abs=0.2) and np.all((ratio > 0.3) & (ratio < 2.2))
    other = where.inside(images(200, 1))
    (told, expected), (all_told, all_expected) = known.of_answers(other), exact.of_answers(other)
    np.testing.assert_array_equal(told, all_told)
    assert expected[told].sum() == pytest.approx(all_expected[told].sum(), rel=0.3)


@pytest.mark.parametrize("sizes", [(6, 4, 2), (6, 5, 4, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_few_samples_tell_what_all_do(activation, sizes):
    # Of the deep ReLU network of seed 0 a neuron is left open, the inputs tell little of one of the shallow of seed 1.
    network, x = network_of(sizes, activation, seed=1), np.random.default_rng(0).normal(size=(3000, 6))
    own, samples = Coordinates(np.zeros(6), np.ones(6)), Samples(x, network(x))
    few, every = (tell(network, samples, 1e-3) for tell in (determined_by_few, determined_large))
    bars, true = (np.concatenate([bar.ravel() for bar in large_error_bars(one, own)]) for one in (few, every))
    assert not np.isnan(true).any() and not np.isnan(bars).any()
    ratio = bars / true
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0, abs=0.2) and np.all((ratio > 0.3) & (ratio < 2.2))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_few_samples_tell_nothing_where_they_leave_something_open(activation):
    network, x = network_of((6, 4, 2), activation), np.random.default_rng(0).normal(size=(3000, 6))
    x[10:, 0] = 0.0  # an input that hardly any sample uses
    assert determined_by_few(network, Samples(x, network(x)), 1e-3) is None


def test_samples_that_nothing_checks_are_told_by_draws_too():
    teacher, x = network_of((8, 3, 2), "tanh"), images(400)
    where = Coordinates.of_rows(x)
    known, exact = (tell(where.lower(teacher), Samples(where.inside(x), teacher(x)), 1e-3, checked=True)
                    for tell in (determined_sampled, determined_large))
    bars, true = (large_error_bars(one, where)[0] for one in (known, exact))
    assert np.isnan(bars)[np.isnan(true)].all() and not np.isnan(bars[:, [0, 1, 2, 7]]).any()


def test_coordinates_of_rows_are_of_one_size_along_the_axes_that_vary():
    x = images(300) * np.array([1.0, 100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.01])
    where = Coordinates.of_rows(x)
    z = where.inside(x)
    assert where.size == 6
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(where.outside(z), x, atol=1e-9)
    np.testing.assert_allclose(np.cov(z.T) - np.diag(z.var(axis=0, ddof=1)), 0.0, atol=1e-9)
    assert Coordinates.of_rows(np.ones((10, 3))).size == 3
