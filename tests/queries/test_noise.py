"""The noise of simulated teachers of every kind is found within a factor of three, from few queries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain
from expandcluster.queries.noise import coarsest_type, quantum
from expandcluster.queries.probe import Probe, probe_teacher
from expandcluster.queries.source import Source, open_source
from expandcluster.teachers.base import Teacher

Answer = Callable[[np.ndarray], np.ndarray]
NETWORKS = [random_teacher(sizes, activation, 1) for sizes in [(5, 4, 2), (40, 60, 3), (4, 5, 4, 2)]
            for activation in ("tanh", "relu")]
IDS = ["-".join(map(str, n.sizes)) + n.activation.name for n in NETWORKS]


def forward(network: Network, x: np.ndarray, dtype: type) -> np.ndarray:
    """The network in the arithmetic of a type; its weights are rounded to that type."""
    act = np.tanh if network.activation.name == "tanh" else lambda z: np.maximum(z, 0)
    h = x.astype(dtype)
    for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        z = (h @ w.T.astype(dtype) + b.astype(dtype)).astype(dtype)
        h = act(z).astype(dtype) if i + 1 < len(network.weights) else z
    return h


def rounded(network: Network, dtype: type) -> Network:
    return Network(tuple(w.astype(dtype).astype(np.float64) for w in network.weights),
                   tuple(b.astype(dtype).astype(np.float64) for b in network.biases), network.activation)


def probe(answer: Answer, network: Network, dtype: type = np.float64, **options: object) -> tuple[Probe, Source]:
    teacher = Teacher.from_callable(answer, network.sizes[0], outputs=network.sizes[-1], dtype=dtype)
    source = open_source(teacher, QueryOptions(**options), 0)
    return probe_teacher(source), source


def true_noise(answer: Answer, exact: Answer, source: Source) -> float:
    """Size of the errors over 50 batches of 40 inputs as they are asked, relative to the answers."""
    x = source.region.nearest(source.sampler.draw(np.random.default_rng(9), 2000))
    y = exact(x)
    error = np.concatenate([answer(part) for part in np.split(x, 50)]).astype(np.float64) - y
    return float(np.sqrt(np.mean(error**2) / np.mean((y - y.mean(axis=0)) ** 2)))


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
@pytest.mark.parametrize(("dtype", "shown"), [
    (np.float32, np.float32), (np.float32, np.float64), (np.float16, np.float16), (np.float16, np.float32),
    (ml_dtypes.bfloat16, np.float32), (ml_dtypes.bfloat16, np.float64)])
def test_arithmetic_in_coarser_types(network, dtype, shown):
    def answer(x):
        return forward(network, x, dtype).astype(shown)

    found, source = probe(answer, network, shown)
    true = true_noise(answer, lambda x: forward(rounded(network, dtype), x.astype(dtype), np.float64), source)
    assert true / 3 < found.noise < 3 * true and found.single and not found.changing
    assert source.queries <= 300
    if dtype is np.float32:
        assert found.sees == "float32"


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
@pytest.mark.parametrize("digits", [1, 3, 6, 9, 12])
def test_answers_rounded_to_digits(network, digits):
    found, source = probe(lambda x: np.round(network(x), digits), network)
    true = true_noise(lambda x: np.round(network(x), digits), network, source)
    assert true / 2 < found.noise < 2 * true and not found.single and found.sees == "float64"


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_answers_of_four_significant_digits(network):
    def answer(x):
        return np.array([[float(f"{v:.4g}") for v in row] for row in network(x)])

    found, source = probe(answer, network)
    assert true_noise(answer, network, source) / 2 < found.noise < 2 * true_noise(answer, network, source)


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
@pytest.mark.parametrize("size", [1e-8, 1e-5, 1e-2])
def test_noise_that_changes_between_calls(network, size):
    rng = np.random.default_rng(0)

    def answer(x):
        return network(x) + size * rng.normal(size=(len(x), network.sizes[-1]))

    found, source = probe(answer, network, noisy=True)
    true = true_noise(answer, network, source)
    assert true / 2 < found.noise < 2 * true and found.changing


@pytest.mark.parametrize("network", NETWORKS[::2], ids=IDS[::2])
@pytest.mark.parametrize("size", [1e-10, 1e-5, 1e-2])
def test_noise_that_is_the_same_every_time(network, size):
    def answer(x):
        seeds = [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in x]
        return network(x) + size * np.array([np.random.default_rng(s).normal(size=network.sizes[-1]) for s in seeds])

    found, source = probe(answer, network)
    true = true_noise(answer, network, source)
    assert true / 3 < found.noise < 3 * true


@pytest.mark.parametrize("steepness", [0.3, 10.0, 1000.0])
@pytest.mark.parametrize("width", [6, 2000])
def test_steep_functions_and_many_kinks_are_not_taken_for_noise(steepness, width):
    for activation in ("tanh", "relu"):
        network = random_teacher((2, width, 1), activation, 0)
        found, _ = probe(lambda x, n=network: n(steepness * x), network)
        assert found.noise < 1e-14


def test_the_steps_of_a_tree_are_not_taken_for_noise():
    from sklearn.ensemble import RandomForestRegressor

    x = np.random.default_rng(0).normal(size=(400, 4))
    for trees in (1, 5, 50):
        forest = RandomForestRegressor(trees, random_state=0).fit(x, np.sin(x[:, 0]) + x[:, 1])
        source = open_source(Teacher.from_sklearn(forest), QueryOptions(), 0)
        assert probe_teacher(source).noise < 1e-12


@pytest.mark.parametrize("domain", [Domain(0.0, 1e-3), Domain(0, 255, integers=True), Domain(0, 1, integers=True),
                                    Domain(integers=True)])
@pytest.mark.parametrize("digits", [None, 3, 6])
def test_noise_inside_a_domain(domain, digits):
    network = random_teacher((30, 6, 2), "tanh", 0)
    unit = open_source(Teacher.from_network(network), QueryOptions(domain=domain), 0).sampler.unit[0]

    def answer(x):
        y = network(x / unit)
        return y if digits is None else np.round(y, digits)

    found, source = probe(answer, network, domain=domain)
    true = 1e-15 if digits is None else true_noise(answer, lambda x: network(x / unit), source)
    assert true / 30 < found.noise < 3 * true


def test_a_table_shows_its_digits_and_its_type():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 5))
    for y, low, high in ((np.round(NETWORKS[0](x), 3), 1e-4, 1e-3), (NETWORKS[0](x).astype(np.float32), 1e-8, 1e-7),
                         (NETWORKS[0](x).astype(np.float32).astype(np.float64), 1e-8, 1e-7)):
        found = probe_teacher(open_source(Teacher.from_data(x, y), QueryOptions(), 0))
        assert low < found.noise < high


def test_what_numbers_show():
    y = np.random.default_rng(0).normal(size=(40, 2))
    assert coarsest_type(y) == "float64" and coarsest_type(y.astype(np.float16).astype(float)) == "float16"
    assert coarsest_type(np.arange(40.0)) == "float64"  # whole numbers fit any type
    assert coarsest_type(y, np.float32) == "float32"
    assert not quantum(y).any() and not quantum(y.astype(np.float32).astype(float)).any()
    np.testing.assert_array_equal(quantum(np.round(y, 5)), np.full(y.shape, 1e-5))
    assert not quantum(np.zeros((40, 2))).any()
