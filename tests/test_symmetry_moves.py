"""Every move leaves the function as it is, and does what it says to the neurons."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput
from expandcluster.networks import Network, random_population
from expandcluster.symmetry_moves import permute, reflect, rescale, unit_norm

FLIPPABLE = [get_activation(a) for a in ("tanh", "erf", "sigmoid", jnp.cos, jnp.abs, lambda z: 0.3 + jnp.sin(z))]
HOMOGENEOUS = [get_activation(a) for a in ("relu", "leaky_relu(0.07)", "leaky_relu(-1)")]
SIZES = st.lists(st.integers(1, 5), min_size=3, max_size=5)


def _network(sizes: list[int], activation: Activation, seed: int = 0) -> Network:
    return random_population(sizes, 1, seed).network(0, activation)


def _assert_same_function(one: Network, other: Network) -> None:
    x = np.random.default_rng(3).normal(size=(50, one.sizes[0]))
    expected = one(x)
    np.testing.assert_allclose(other(x), expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max()))


@given(SIZES, st.sampled_from([*FLIPPABLE, *HOMOGENEOUS, get_activation("g")]), st.integers(0, 99), st.data())
@settings(max_examples=40, deadline=None)
def test_permute(sizes: list[int], activation: Activation, seed: int, data: st.DataObject) -> None:
    network = _network(sizes, activation, seed)
    layer = data.draw(st.integers(1, len(sizes) - 2))
    order = data.draw(st.permutations(range(sizes[layer])))
    moved = permute(network, layer, order)
    _assert_same_function(network, moved)
    np.testing.assert_array_equal(moved.weights[layer - 1], network.weights[layer - 1][list(order)])
    back = permute(moved, layer, np.argsort(order))
    assert all((a == b).all() for a, b in zip(back.weights, network.weights, strict=True))


@given(SIZES, st.sampled_from(FLIPPABLE), st.integers(0, 99), st.data())
@settings(max_examples=40, deadline=None)
def test_reflect(sizes: list[int], activation: Activation, seed: int, data: st.DataObject) -> None:
    network = _network(sizes, activation, seed)
    layer = data.draw(st.integers(1, len(sizes) - 2))
    neurons = data.draw(st.lists(st.integers(0, sizes[layer] - 1)))
    moved = reflect(network, layer, neurons)
    _assert_same_function(network, moved)
    sign = np.where(np.isin(np.arange(sizes[layer]), neurons), -1.0, 1.0)
    np.testing.assert_array_equal(moved.weights[layer - 1], network.weights[layer - 1] * sign[:, None])
    np.testing.assert_array_equal(moved.biases[layer - 1], network.biases[layer - 1] * sign)
    back = reflect(moved, layer, neurons)
    for a, b in zip((*back.weights, *back.biases), (*network.weights, *network.biases), strict=True):
        assert np.abs(a - b).max() <= 1e-14


@given(SIZES, st.sampled_from(HOMOGENEOUS), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_unit_norm_and_rescale(sizes: list[int], activation: Activation, seed: int) -> None:
    network = _network(sizes, activation, seed)
    rng = np.random.default_rng(seed)
    for layer in range(1, len(sizes) - 1):
        network = rescale(network, layer, np.exp(rng.normal(size=sizes[layer]) * 2))
    _assert_same_function(_network(sizes, activation, seed), network)
    normed = unit_norm(network)
    _assert_same_function(network, normed)
    for w in normed.weights[:-1]:
        assert np.abs(np.linalg.norm(w, axis=1) - 1.0).max() <= 1e-14


def test_unit_norm_leaves_neurons_without_inputs_and_other_activations_alone() -> None:
    weights = np.array([[0.0, 0.0], [3.0, 4.0], [1e-200, 0.0]]), np.ones((1, 3))
    network = Network(weights, (np.array([2.0, 5.0, 1.0]), np.zeros(1)), get_activation("relu"))
    normed = unit_norm(network)
    np.testing.assert_allclose(normed.weights[0], np.array([[0.0, 0.0], [0.6, 0.8], [1e-200, 0.0]]))
    np.testing.assert_allclose(normed.biases[0], [2, 1, 1])
    np.testing.assert_allclose(normed.weights[1], [[1, 5, 1]])
    smooth = Network(weights, network.biases, get_activation("tanh"))
    assert unit_norm(smooth) is smooth
    single = Network((np.ones((1, 2)),), (np.zeros(1),), get_activation("relu"))
    assert unit_norm(single).weights[0].tolist() == [[1.0, 1.0]]


def test_moves_leave_their_argument_alone() -> None:
    network = _network([2, 3, 1], get_activation("leaky_relu(-1)"))
    before = [a.copy() for a in (*network.weights, *network.biases)]
    reflect(permute(unit_norm(network), 1, [2, 0, 1]), 1, [0])
    assert all((a == b).all() for a, b in zip(before, (*network.weights, *network.biases), strict=True))


TANH, RELU = _network([2, 3, 1], get_activation("tanh")), _network([2, 3, 1], get_activation("relu"))
BAD: dict[str, Callable[[], Network]] = {
    "layer 0": lambda: permute(TANH, 0, [0, 1, 2]),
    "output layer": lambda: reflect(TANH, 2, [0]),
    "no hidden layer": lambda: permute(Network((np.ones((1, 1)),), (np.zeros(1),), TANH.activation), 1, [0]),
    "order too short": lambda: permute(TANH, 1, [0, 1]),
    "order with a repeat": lambda: permute(TANH, 1, [0, 1, 1]),
    "order of numbers": lambda: permute(TANH, 1, [0.0, 1.0, 2.0]),  # type: ignore[list-item]
    "neuron too large": lambda: reflect(TANH, 1, [3]),
    "negative neuron": lambda: reflect(TANH, 1, [-1]),
    "a mask": lambda: reflect(TANH, 1, np.array([True, False, True])),
    "reflect relu": lambda: reflect(RELU, 1, [0]),
    "reflect g": lambda: reflect(_network([2, 3, 1], get_activation("g")), 1, [0]),
    "rescale tanh": lambda: rescale(TANH, 1, [1.0, 1.0, 1.0]),
    "negative factor": lambda: rescale(RELU, 1, [1.0, -1.0, 1.0]),
    "factor not a number": lambda: rescale(RELU, 1, [1.0, np.nan, 1.0]),
    "too few factors": lambda: rescale(RELU, 1, [1.0]),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_moves_are_refused(case: str) -> None:
    with pytest.raises(BadInput):
        BAD[case]()
