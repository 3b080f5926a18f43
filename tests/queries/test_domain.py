"""No query leaves the domain, whoever asks it; inside it networks are recovered as elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.problems import random_teacher
from typer.testing import CliRunner

import expandcluster as ec
from expandcluster.cli import app
from expandcluster.errors import BadInput
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain, Region
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.row_space import find_row_space
from expandcluster.queries.source import open_source
from expandcluster.teachers.base import Teacher

DOMAINS = {
    "pixels": Domain(0.0, 1.0),
    "away from zero": Domain(0.1, 0.9),
    "own bounds": Domain.box(np.linspace(-3, 0, 12), np.linspace(1, 1000, 12)),
    "fixed input": Domain.box([0.3] + 11 * [-1], [0.3] + 11 * [1]),
    "below only": Domain(low=-0.5),
    "one above": Domain(high=(1.0, *[None] * 11)),
    "bytes": Domain(0, 255, integers=True),
    "bits": Domain(0, 1, integers=True),
    "integers": Domain(integers=True),
}


def strict_teacher(network: ec.Network, domain: Domain, dtype: type = np.float64) -> Teacher:
    """Raises at whatever is not allowed."""
    region = Region.of(domain, network.sizes[0], np.float64)

    def answer(x: np.ndarray) -> np.ndarray:
        assert region.contains(x), "an input outside the domain"
        return network(x).astype(dtype)

    return Teacher.from_callable(answer, network.sizes[0], outputs=network.sizes[-1], dtype=dtype)


@pytest.mark.parametrize("sampler", ["auto", "gaussian"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", DOMAINS)
def test_every_query_stays_inside(name, dtype, sampler):
    domain = DOMAINS[name]
    network = random_teacher((12, 3, 2), "tanh", 0)
    unit = open_source(Teacher.from_network(network), QueryOptions(domain=domain), 0).sampler.unit
    network = ec.Network((network.weights[0] / unit, network.weights[1]), network.biases, "tanh")
    source = open_source(strict_teacher(network, domain, dtype), QueryOptions(domain=domain, sampler=sampler), 0,
                         wide=True)
    probe = probe_teacher(source)
    assert probe.noise < (1e-14 if dtype is np.float64 else 1e-6)
    source.learn(probe.floor, probe.noise, probe.sees)
    source.keep_to(find_row_space(source, probe).basis)
    assert (source.basis is None) == domain.integers
    for samples in (source.samples(500), source.held_out(100), source.full(500), source.check(100)):
        assert len(samples.x) >= 100
    source.add(source.candidates(200, 0))
    seen = source.full(500).x
    assert np.array_equal(seen[:, 1:], seen[:, 1:].astype(dtype))  # the fixed input is none that float32 can hold
    assert np.ptp(seen, axis=0)[1:].min() > 0 and len(np.unique(source.samples(500).x, axis=0)) > 490


@pytest.mark.parametrize("start", [0.5, 0.0, 0.9])
def test_training_inputs_fill_the_slice_of_a_box(start):
    network = random_teacher((100, 3, 2), "tanh", 0)
    domain = Domain(0.0, 1.0)
    source = open_source(strict_teacher(network, domain), QueryOptions(domain=domain), 0)
    basis = np.linalg.qr(network.weights[0].T)[0]
    source.keep_to(basis, np.full(100, start))
    samples = source.samples(1000)
    np.testing.assert_allclose(samples.x.std(axis=0), 1.0, rtol=0.15)
    x = source.coordinates.outside(samples.x)
    assert (np.linalg.svd((x - x.mean(axis=0)) / source.sampler.unit @ basis)[1] / np.sqrt(1000) > 0.7).all()
    np.testing.assert_allclose(source.coordinates.lower(network)(samples.x), network(x), atol=1e-12)
    np.testing.assert_allclose(source.coordinates.lift(source.coordinates.lower(network))(x), network(x), atol=1e-12)


@pytest.mark.parametrize(("sizes", "activation", "domain"), [
    ((20, 3, 2), "tanh", Domain(0.1, 0.9)), ((4, 3, 1), "relu", Domain(-1.0, 1.0)),
    ((5, 3, 2), "tanh", Domain(-3, 3, integers=True)),
])
def test_networks_are_recovered_inside(sizes, activation, domain):
    truth = random_teacher(sizes, activation, 0)
    recovery = ec.recover(strict_teacher(truth, domain), activation=activation,
                          options=ec.RecoverOptions(queries=QueryOptions(domain=domain)))
    assert recovery.exact and ec.compare(recovery, truth).exact


def test_an_input_that_may_not_vary_leaves_its_weights_undetermined():
    truth = random_teacher((4, 3, 2), "tanh", 0)
    domain = Domain.box([-1, -1, 0.5, -1], [1, 1, 0.5, 1])
    recovery = ec.recover(strict_teacher(truth, domain), activation="tanh",
                          options=ec.RecoverOptions(queries=QueryOptions(domain=domain)))
    assert recovery.verdict is ec.Verdict.UNDETERMINED
    assert {"W1[0,2]", "W1[1,2]", "W1[2,2]"} <= set(recovery.certificate.undetermined)


def test_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bytes_model.py").write_text(
        "import numpy as np\ndef answer(x):\n    assert ((x >= 1) & (x <= 9) & (x % 1 == 0)).all()\n"
        "    return np.tanh((x - 5) @ [[0.3], [0.2]])\n")
    done = CliRunner().invoke(app, ["recover", "bytes_model:answer", "--input-size", "2", "--activation", "tanh",
                                    "--box", "1,9", "--integers", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["hidden_sizes"] == [1]


@pytest.mark.parametrize("values", [
    {"low": "0"}, {"low": float("nan")}, {"high": float("inf")}, {"low": True}, {"low": ()}, {"integers": 1},
    {"low": 1.0, "high": 0.0}, {"low": (0.0, 1.0), "high": (1.0, 1.0, 1.0)}, {"low": (0.0, "a")},
    {"low": 0.2, "high": 0.8, "integers": True}, {"low": (0.0, 2.0), "high": 1.0},
])
def test_wrong_bounds_are_refused(values):
    with pytest.raises(BadInput, match="domain's"):
        Domain(**values)


def test_bounds_must_fit_the_teacher_and_its_type():
    with pytest.raises(BadInput, match="each of the teacher's 3 inputs"):
        Region.of(Domain(low=(0.0, 0.0)), 3, np.float64)
    assert Region.of(Domain(1.0001, 1.0002), 1, np.float16).nearest(np.ones((1, 1)))[0, 0] == 1.0001
    region = Region.of(Domain(0.1, 0.9), 1, np.float32)
    assert region.low[0] >= 0.1 and region.high[0] <= 0.9
    rows = np.full((20, 2), 0.5)
    rows[7] = 1.5
    with pytest.raises(BadInput, match="first row 7"):
        open_source(Teacher.from_callable(lambda x: x, 2), QueryOptions(domain=Domain(0.0, 1.0)), 0, rows)


@pytest.mark.parametrize("text", ["1", "a,b", "2,1", "0,1,2", "nan,1"])
def test_wrong_boxes_on_the_command_line_are_refused(text):
    with pytest.raises(BadInput, match=r"box|domain"):
        Domain.parse(text)


def test_folding_and_reach():
    region = Region.of(Domain.box([0, 0, -np.inf, -np.inf], [1, np.inf, 2, np.inf]), 4, np.float64)
    folded = region.folded(np.array([[1.25, -3.0, 2.5, -7.0], [-2.5, 3.0, -2.5, 7.0]]))
    np.testing.assert_allclose(folded, [[0.75, 3.0, 1.5, -7.0], [0.5, 3.0, -2.5, 7.0]])
    start = np.array([0.5, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(region.reach(start, np.array([[1.0, 0, 0, 0], [0, -4.0, 0, 0], [0, 4.0, 1.0, 0]])),
                               [0.5, 0.25, 2.0])
    assert region.reach(start, np.array([[0, 1.0, -1.0, 1.0]]))[0] == np.inf
