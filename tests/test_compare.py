"""Distance to a known truth: zero for symmetric copies, and honest about everything else."""

from __future__ import annotations

import dataclasses
import itertools
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expandcluster.activations import Activation, get_activation
from expandcluster.compare import compare
from expandcluster.error_bars import names_of_undetermined
from expandcluster.errors import BadInput
from expandcluster.networks import Network, random_population
from expandcluster.results import Certificate, Recovery, Verdict
from expandcluster.symmetry_moves import permute, reflect, rescale

ACTIVATIONS = [get_activation(a) for a in
               ("g", "tanh", "sigmoid", "softplus", "relu", "leaky_relu(0.07)", "erf", jnp.cos, jnp.abs,
                lambda z: z * jax.nn.sigmoid(3.0 * z), lambda z: 0.2 + jnp.tanh(z))]


def _network(sizes: list[int] | tuple[int, ...], activation: Activation | str, seed: int = 0) -> Network:
    return random_population(sizes, 1, seed).network(0, get_activation(activation))


def _copy(network: Network, seed: int) -> tuple[Network, list[np.ndarray]]:
    """A network with the same function, and for each layer the new place of each old neuron."""
    rng = np.random.default_rng(seed)
    symmetry = network.activation.symmetry
    places = []
    for layer, hidden in enumerate(network.hidden_sizes, start=1):
        if symmetry.homogeneous:
            network = rescale(network, layer, np.exp(rng.normal(size=hidden)))
        if symmetry.sign != 0 and symmetry.slope == 0.0:
            network = reflect(network, layer, np.flatnonzero(rng.random(hidden) < 0.5))
        order = rng.permutation(hidden)
        network = permute(network, layer, order)
        places.append(np.argsort(order))
    return network, places


def _with_weight(network: Network, layer: int, index: tuple[int, int], change: float) -> Network:
    weights = [w.copy() for w in network.weights]
    weights[layer][index] += change
    return dataclasses.replace(network, weights=tuple(weights))


@given(st.integers(1, 4), st.lists(st.integers(1, 6), max_size=3), st.integers(1, 3), st.sampled_from(ACTIVATIONS),
       st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_symmetric_copies_are_equal(inputs: int, hidden: list[int], outputs: int, activation: Activation,
                                    seed: int) -> None:
    truth = _network([inputs, *hidden, outputs], activation, seed)
    copy, places = _copy(truth, seed + 1)
    result = compare(copy, truth)
    assert result.max_parameter_error <= 1e-12
    assert result.exact and result.sizes_match and result.overhead == 0.0
    assert [list(p) for p in result.permutations] == [list(p) for p in places]
    assert result.aligned is not None and result.truth.sizes == result.aligned.sizes == truth.sizes
    x = np.random.default_rng(0).normal(size=(20, inputs))
    scale = max(1.0, np.abs(truth(x)).max())
    np.testing.assert_allclose(result.aligned(x), copy(x), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(result.truth(x), truth(x), rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("activation", ["g", "tanh", "sigmoid", "softplus"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_change_of_one_weight_is_reported(activation: str, layer: int) -> None:
    truth = _network([3, 5, 4, 2], activation, 1)
    copy, _ = _copy(_with_weight(truth, layer, (1, 2), 1e-6), 2)
    largest = max(np.abs(a).max() for a in (*truth.weights, *truth.biases))
    result = compare(copy, truth)
    # the constants of flipped sigmoid neurons carry the change to the bias as well, never enlarged
    assert result.max_parameter_error == pytest.approx(1e-6 / largest, rel=1e-6)
    assert not result.exact
    assert compare(copy, truth, tolerance=1e-5).exact


def test_a_change_of_one_weight_of_a_relu_network_is_reported() -> None:
    truth = _network([3, 5, 4, 2], "relu", 1)
    for layer in range(3):
        copy, _ = _copy(_with_weight(truth, layer, (1, 2), 1e-6), 2)
        assert 1e-8 < compare(copy, truth).max_parameter_error < 1e-5


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_against_every_order_and_sign(activation: str) -> None:
    truth = _network([2, 3, 1], activation, 5)
    noise = np.random.default_rng(0)
    near = Network(tuple(w + 1e-3 * noise.normal(size=w.shape) for w in truth.weights),
                   tuple(b + 1e-3 * noise.normal(size=b.shape) for b in truth.biases), truth.activation)
    copy, _ = _copy(near, 6)
    largest = max(np.abs(a).max() for a in (*truth.weights, *truth.biases))
    errors = []
    for order in itertools.permutations(range(3)):
        for flips in itertools.product([False, True], repeat=3):
            other = reflect(permute(copy, 1, order), 1, np.flatnonzero(flips))
            errors.append(max(np.abs(a - b).max() for a, b in zip(
                (*other.weights, *other.biases), (*truth.weights, *truth.biases), strict=True)))
    assert compare(copy, truth).max_parameter_error == pytest.approx(min(errors) / largest, rel=1e-9)


@pytest.mark.parametrize("activation", ["softplus", "relu", "g"])
def test_a_wrong_sign_is_an_error_where_signs_can_be_told(activation: str) -> None:
    truth = _network([3, 4, 1], activation, 2)
    weights, biases = [w.copy() for w in truth.weights], [b.copy() for b in truth.biases]
    weights[0][1] *= -1
    biases[0][1] *= -1
    result = compare(Network(tuple(weights), tuple(biases), truth.activation), truth)
    assert result.max_parameter_error > 0.1 and not result.exact


@pytest.mark.parametrize(
    ("hidden", "true_hidden", "overhead"),
    [([5], [4], 0.25), ([3], [4], -0.25), ([3, 4], [4, 3], 0.0), ([4, 4], [4], 1.0), ([], [4], -1.0),
     ([4], [], math.inf)],
)
def test_different_sizes(hidden: list[int], true_hidden: list[int], overhead: float) -> None:
    result = compare(_network([2, *hidden, 1], "tanh"), _network([2, *true_hidden, 1], "tanh"))
    assert not result.sizes_match and not result.exact
    assert result.max_parameter_error == math.inf
    assert result.aligned is None and result.permutations == ()
    assert result.overhead == overhead
    assert (result.sizes, result.true_sizes) == ((2, *hidden, 1), (2, *true_hidden, 1))


def test_different_sizes_are_not_exact_at_any_tolerance() -> None:
    assert not compare(_network([2, 3, 1], "g"), _network([2, 4, 1], "g"), tolerance=math.inf).exact


def test_without_hidden_layers() -> None:
    truth = _network([3, 2], "tanh")
    result = compare(_with_weight(truth, 0, (0, 0), 0.5), truth)
    assert result.permutations == () and result.aligned is not None and result.overhead == 0.0
    assert result.max_parameter_error == pytest.approx(0.5 / max(np.abs(truth.weights[0]).max(),
                                                                 np.abs(truth.biases[0]).max()))


def test_neurons_without_inputs_and_a_truth_of_zeros() -> None:
    truth = Network((np.array([[0.0, 0.0], [1.0, 2.0]]), np.ones((1, 2))), (np.ones(2), np.zeros(1)),
                    get_activation("relu"))
    assert compare(permute(truth, 1, [1, 0]), truth).max_parameter_error <= 1e-15
    zero = Network((np.zeros((2, 1)), np.zeros((1, 2))), (np.zeros(2), np.zeros(1)), get_activation("tanh"))
    assert compare(zero, zero).max_parameter_error == 0.0
    assert compare(_with_weight(zero, 1, (0, 0), 1e-9), zero).max_parameter_error == math.inf


def test_identity_is_compared_although_it_cannot_be_identified() -> None:
    assert math.isfinite(compare(_network([3, 2, 1], "identity", 1), _network([3, 2, 1], "identity", 2))
                         .max_parameter_error)


def test_takes_a_recovery() -> None:
    truth = _network([2, 3, 1], "tanh")
    found = Recovery(network=_copy(truth, 1)[0], verdict=Verdict.EXACT, relative_loss=0.0, noise_floor=0.0, queries=1,
                     seconds=0.0, certificate=None, layers=(), losses=np.zeros(1), seed=0, timings={})
    assert compare(found, truth).exact
    with pytest.raises(BadInput, match="a recovery without a network"):
        compare(dataclasses.replace(found, network=None), truth)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "g"])
def test_what_softmax_hides_is_no_error(activation: str) -> None:
    truth = _network([3, 5, 4, 3], activation)
    copy, _ = _copy(truth, 1)
    hidden = dataclasses.replace(copy, weights=(*copy.weights[:-1], copy.weights[-1] + np.arange(4.0)),
                                 biases=(*copy.biases[:-1], copy.biases[-1] - 7.0))
    assert compare(hidden, truth).max_parameter_error > 0.1
    result = compare(hidden, truth, output="softmax")
    assert result.max_parameter_error <= 1e-12 and result.aligned is not None
    for network in (result.aligned, result.truth):
        assert np.abs(network.weights[-1].sum(axis=0)).max() <= 1e-12 and abs(network.biases[-1].sum()) <= 1e-12
    wrong = _with_weight(hidden, 2, (1, 2), 1e-3)
    assert compare(wrong, truth, output="softmax").max_parameter_error > 1e-5


def test_a_recovery_knows_what_its_teacher_answered() -> None:
    truth = _network([2, 3, 2], "tanh")
    hidden = dataclasses.replace(truth, biases=(truth.biases[0], truth.biases[1] + 5.0))
    found = Recovery(network=hidden, verdict=Verdict.EXACT, relative_loss=0.0, noise_floor=0.0, queries=1, seconds=0.0,
                     certificate=None, layers=(), losses=np.zeros(1), seed=0, timings={}, output="softmax")
    assert compare(found, truth).exact and not compare(found, truth, output="raw").exact
    assert not compare(dataclasses.replace(found, output="logistic"), truth).exact


def test_two_classes_against_a_truth_of_one_output() -> None:
    truth = _network([2, 3, 1], "tanh")
    halves = [np.concatenate([-a / 2, a / 2]) for a in (truth.weights[-1], truth.biases[-1])]
    found = Network((truth.weights[0], halves[0] + 1.0), (truth.biases[0], halves[1] + 1.0), truth.activation)
    assert compare(found, truth, output="softmax").max_parameter_error <= 1e-15
    with pytest.raises(BadInput, match="2 outputs"):
        compare(found, truth)


@pytest.mark.parametrize("output", ["auto", "softmx", 3])
def test_another_output_is_refused(output: str) -> None:
    with pytest.raises(BadInput, match=r"output: got .*; expected raw, softmax or logistic"):
        compare(TRUTH, TRUTH, output=output)


TRUTH = _network([2, 3, 1], "tanh")
BAD = {
    "other inputs": (_network([3, 3, 1], "tanh"), TRUTH),
    "other outputs": (_network([2, 3, 2], "tanh"), TRUTH),
    "other activation": (_network([2, 3, 1], "relu"), TRUTH),
    "other parameter": (_network([2, 3, 1], "leaky_relu(0.1)"), _network([2, 3, 1], "leaky_relu(0.2)")),
    "no network": (SimpleNamespace(network=None), TRUTH),
    "None": (None, TRUTH),
    "an array": (np.ones(3), TRUTH),
    "truth is no network": (TRUTH, SimpleNamespace(network=TRUTH)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared_is_refused(case: str) -> None:
    with pytest.raises(BadInput):
        compare(*BAD[case])  # type: ignore[arg-type]


@pytest.mark.parametrize("tolerance", [-1e-8, math.nan])
def test_tolerance_must_be_a_number_from_zero_up(tolerance: float) -> None:
    with pytest.raises(BadInput, match="tolerance"):
        compare(TRUTH, TRUTH, tolerance=tolerance)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_neurons_are_matched_by_what_is_determined(activation: str) -> None:
    """Weights of an input that never varied may be anything, and larger than all others."""
    rng = np.random.default_rng(0)
    truth = _network([5, 6, 3], activation)
    anything = truth.weights[0].copy()
    anything[:, 4] = 1e3 * rng.normal(size=6)
    found, _ = _copy(Network((anything, truth.weights[1]), truth.biases, truth.activation), 1)
    bars = tuple(np.full(a.shape, 1e-15) for a in found.arrays)
    bars[0][:, 4] = np.nan
    certificate = Certificate(0.0, 0.0, bars, 1e-15, names_of_undetermined(bars), 4, 4)
    recovery = Recovery(network=found, verdict=Verdict.UNDETERMINED, relative_loss=0.0, noise_floor=0.0, queries=1,
                        seconds=0.0, certificate=certificate, layers=(), losses=np.zeros(1), seed=0, timings={})
    result = compare(recovery, truth)
    assert result.determined_error <= 1e-12 < result.max_parameter_error
