"""Networks and populations: validation, forward pass, pruning, stacking."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expandcluster.activations import get_activation
from expandcluster.errors import BadInput
from expandcluster.networks import Network, Population, concatenate, forward, random_population, stack
from expandcluster.precision import float64

SCALAR: dict[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "relu": lambda z: max(z, 0.0),
    "softplus": lambda z: math.log1p(math.exp(z)),
    "erf": math.erf,
}
SIZES = st.lists(st.integers(1, 5), min_size=2, max_size=5)


def _network(sizes: list[int] | tuple[int, ...], activation: str = "tanh", seed: int = 0) -> Network:
    return random_population(sizes, 1, seed).network(0, get_activation(activation))


def _by_hand(network: Network, x: np.ndarray, sigma: Callable[[float], float]) -> list[float]:
    h = [float(v) for v in x]
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        z = [math.fsum([b[i], *(w[i, j] * h[j] for j in range(len(h)))]) for i in range(len(b))]
        h = [sigma(v) for v in z] if layer < len(network.weights) - 1 else z
    return h


def _assert_equal(one: Network, other: Network) -> None:
    assert one.activation == other.activation and one.sizes == other.sizes
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(a, b)


def _assert_same_students(one: Population, other: Population) -> None:
    for a, b in zip((*one.weights, *one.biases, *one.alive), (*other.weights, *other.biases, *other.alive),
                    strict=True):
        np.testing.assert_array_equal(a, b)


@given(SIZES, st.sampled_from(sorted(SCALAR)), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_call_against_a_plain_loop(sizes: list[int], activation: str, seed: int) -> None:
    network = _network(sizes, activation, seed)
    x = np.random.default_rng(seed).normal(size=(3, sizes[0]))
    expected = [_by_hand(network, row, SCALAR[activation]) for row in x]
    output = network(x)
    assert output.dtype == np.float64 and output.shape == (3, sizes[-1])
    np.testing.assert_allclose(output, expected, rtol=1e-12, atol=1e-13)
    with float64():
        traced = forward([jnp.asarray(w) for w in network.weights], [jnp.asarray(b) for b in network.biases],
                         network.activation, jnp.asarray(x))
    np.testing.assert_allclose(traced, expected, rtol=1e-12, atol=1e-13)


def test_sizes_parameters_and_hidden_activities() -> None:
    network = _network([3, 4, 2, 5], "tanh")
    assert network.sizes == (3, 4, 2, 5) and network.hidden_sizes == (4, 2)
    assert network.parameters == 3 * 4 + 4 + 4 * 2 + 2 + 2 * 5 + 5
    x = np.random.default_rng(0).normal(size=(6, 3))
    first = np.tanh(x @ network.weights[0].T + network.biases[0])
    second = np.tanh(first @ network.weights[1].T + network.biases[1])
    np.testing.assert_allclose(network.hidden(x, 1), first, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(network.hidden(x, 2), second, rtol=1e-13, atol=1e-14)


def test_forward_with_sharpness_smooths_the_kink() -> None:
    network = _network([2, 3, 1], "relu", 4)
    x = np.random.default_rng(0).normal(size=(5, 2))
    arrays = [jnp.asarray(w) for w in network.weights], [jnp.asarray(b) for b in network.biases]
    with float64():
        smooth = forward(*arrays, network.activation, jnp.asarray(x), jnp.asarray(1e6))
        soft = forward(*arrays, network.activation, jnp.asarray(x), jnp.asarray(1.0))
    np.testing.assert_allclose(smooth, network(x), atol=1e-5)
    assert np.abs(np.asarray(soft) - network(x)).max() > 1e-2


def test_lists_and_float32_become_float64_and_names_activations() -> None:
    network = Network(([[1, 2]], np.ones((1, 1), np.float32)), ([0], np.zeros(1, np.float32)), "relu")  # type: ignore
    assert all(a.dtype == np.float64 for a in (*network.weights, *network.biases))
    assert network.activation == get_activation("relu")
    np.testing.assert_array_equal(network(np.array([[1, 1], [-1, -1]])), [[3.0], [0.0]])


W, B = np.ones((2, 3)), np.zeros(2)
BAD = {
    "no layers": ((), ()),
    "fewer biases": ((W, np.ones((1, 2))), (B,)),
    "more biases": ((W,), (B, B)),
    "bias too long": ((W,), (np.zeros(3),)),
    "bias of two axes": ((W,), (np.zeros((2, 1)),)),
    "weights of one axis": ((np.ones(3),), (np.zeros(3),)),
    "number for weights": ((np.ones(()),), (np.zeros(()),)),
    "transposed": ((W.T, np.ones((2, 1))), (np.zeros(3), B)),
    "empty hidden layer": ((np.ones((0, 3)), np.ones((1, 0))), (np.zeros(0), np.zeros(1))),
    "no inputs": ((np.ones((2, 0)),), (B,)),
    "nan weight": ((W * np.nan,), (B,)),
    "infinite bias": ((W,), (B + np.inf,)),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_do_not_fit_are_refused(case: str) -> None:
    weights, biases = BAD[case]
    with pytest.raises(BadInput, match="network: got"):
        Network(weights, biases, get_activation("tanh"))


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(BadInput, match="tanh"):
        Network((W,), (B,), "tahn")  # type: ignore[arg-type]


def test_population_network_drops_pruned_neurons() -> None:
    full = random_population([3, 4, 5, 2], 2, 0)
    alive = (np.array([[1, 0, 1, 1], [1, 1, 1, 1]], bool), np.array([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool))
    zeroed = Population(
        (full.weights[0] * alive[0][:, :, None], full.weights[1] * alive[1][:, :, None] * alive[0][:, None, :],
         full.weights[2] * alive[1][:, None, :]),
        (full.biases[0] * alive[0], full.biases[1] * alive[1], full.biases[2]),
        alive,
    )
    tanh = get_activation("tanh")
    pruned = zeroed.network(0, tanh)
    assert pruned.sizes == (3, 3, 3, 2) and zeroed.network(1, tanh).sizes == (3, 4, 5, 2)
    x = np.random.default_rng(0).normal(size=(10, 3))
    with_zeros = Network(tuple(np.asarray(w[0]) for w in zeroed.weights),
                         tuple(np.asarray(b[0]) for b in zeroed.biases), tanh)
    np.testing.assert_allclose(pruned(x), with_zeros(x), rtol=1e-13, atol=1e-14)  # tanh(0) = 0
    np.testing.assert_array_equal(pruned.weights[1], full.weights[1][0][np.ix_([1, 2, 4], [0, 2, 3])])
    _assert_equal(zeroed.network(1, tanh), full.network(1, tanh))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_stack_pads_and_network_takes_the_padding_away(hidden: list[tuple[int, int]], seed: int) -> None:
    networks = [_network([2, *h, 3], "tanh", seed + i) for i, h in enumerate(hidden)]
    population = stack(networks, [2, 4, 4, 3])
    assert population.students == len(networks) and population.sizes == (2, 4, 4, 3)
    for i, network in enumerate(networks):
        _assert_equal(population.network(i, network.activation), network)
        assert [int(a[i].sum()) for a in population.alive] == list(network.hidden_sizes)


@given(st.integers(1, 4), st.integers(1, 4), SIZES, st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_concatenate_and_take_undo_each_other(first: int, second: int, sizes: list[int], seed: int) -> None:
    one, other = random_population(sizes, first, seed), random_population(sizes, second, seed + 1)
    both = concatenate([one, other])
    assert both.students == first + second and both.sizes == tuple(sizes)
    _assert_same_students(both.take(range(first)), one)
    _assert_same_students(both.take(np.arange(first, first + second)), other)
    backwards = both.take(np.arange(first + second)[::-1])
    _assert_same_students(backwards.take(np.arange(first + second)[::-1]), both)
    tanh = get_activation("tanh")
    _assert_equal(backwards.network(0, tanh), both.network(first + second - 1, tanh))


def test_random_population_is_seeded() -> None:
    one, again, other = (random_population([3, 4, 2], 5, seed) for seed in (1, 1, 2))
    _assert_same_students(one, again)
    assert np.abs(one.weights[0] - other.weights[0]).min() > 0
    assert len(np.unique(np.asarray(one.weights[0]).reshape(5, -1), axis=0)) == 5


def test_random_population_has_glorot_variance() -> None:
    population = random_population([30, 50, 10], 40, 0)
    assert np.std(population.weights[0]) == pytest.approx(math.sqrt(2 / 80), rel=0.02)
    assert np.std(population.weights[1]) == pytest.approx(math.sqrt(2 / 60), rel=0.02)
    assert all(a.all() for a in population.alive)
