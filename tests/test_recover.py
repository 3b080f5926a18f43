"""The whole path: exact recoveries, resumed runs, and an honest verdict where there is nothing to recover."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.errors import BadInput, TeacherError
from expandcluster.progress import Event, RecoveryFinished, RecoveryStarted, StageFinished, StageStarted


def _recover(network: ec.Network, **settings) -> ec.Recovery:
    return ec.recover(ec.Teacher.from_network(network), activation=network.activation,
                      hidden_layers=len(network.hidden_sizes), **settings)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.07)", "elu(1.0)", "softplus", "gelu", "silu", "tanh",
                                        "sigmoid", "softsign", "g"])
def test_shallow_networks_are_recovered_exactly(activation):
    truth = random_teacher((6, 4, 2), activation, 7)
    recovery = _recover(truth)
    assert recovery.verdict is ec.Verdict.EXACT
    assert recovery.network.sizes == truth.sizes
    assert ec.compare(recovery.network, truth).max_parameter_error <= 1e-8


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_deep_networks_are_recovered_exactly(activation):
    truth = random_teacher((4, 4, 3, 2), activation, 5)
    recovery = _recover(truth)
    assert recovery.exact and ec.compare(recovery, truth).exact


def test_an_activation_that_is_a_function():
    def bump(z):
        return jnp.exp(-(z**2)) + 0.3 * z

    rng = np.random.default_rng(0)
    truth = ec.Network((rng.normal(size=(3, 4)), rng.normal(size=(2, 3))), (rng.normal(size=3), np.zeros(2)), bump)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation=truth.activation)
    assert recovery.exact and ec.compare(recovery, truth).exact


def test_a_table_is_enough_when_it_is_large():
    truth = random_teacher((4, 3, 2), "tanh", 1)
    x = np.random.default_rng(0).normal(size=(800, 4))
    recovery = ec.recover(ec.Teacher.from_data(x, truth(x)), activation="tanh")
    assert recovery.exact and recovery.queries == 800 and ec.compare(recovery, truth).exact


def test_only_the_given_inputs_are_asked():
    truth = random_teacher((4, 3, 2), "tanh", 1)
    rows = np.random.default_rng(0).uniform(-1.5, 1.5, size=(900, 4))
    asked: list[np.ndarray] = []

    def answer(x):
        asked.append(x)
        return truth(x)

    recovery = ec.recover(ec.Teacher.from_callable(answer, 4, outputs=2, dtype=np.float64), activation="tanh",
                          inputs=rows)
    assert recovery.network is not None and ec.compare(recovery, truth).exact
    rows_asked = {tuple(r) for x in asked for r in x}
    assert rows_asked <= {tuple(r) for r in rows}


def test_a_float32_teacher_is_recovered_within_its_precision():
    truth = random_teacher((6, 4, 2), "tanh", 3)
    teacher = ec.Teacher.from_callable(lambda x: truth(x).astype(np.float32), 6)
    recovery = ec.recover(teacher, activation="tanh")
    assert recovery.network.sizes == truth.sizes and recovery.exact
    assert ec.compare(recovery, truth, tolerance=1e-3).max_parameter_error < 1e-5


def test_the_same_seed_gives_the_same_network():
    truth = random_teacher((4, 3, 1), "tanh", 2)
    one, two, other = _recover(truth, seed=4), _recover(truth, seed=4), _recover(truth, seed=5)
    for a, b in zip(one.network.weights, two.network.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.losses, other.losses)


def test_progress_tells_of_every_stage():
    events: list[Event] = []
    _recover(random_teacher((4, 3, 1), "tanh", 2), progress=events.append)
    frame = (RecoveryStarted, RecoveryFinished, StageStarted, StageFinished)
    told = [e.stage for e in events if not isinstance(e, frame)]
    assert [stage for stage in told if stage != "expand"] == ["probe", "reduce", "cluster", "fine_tune", "lift"]
    assert all(e.message for e in events)


def test_a_finished_run_answers_again_without_asking(tmp_path):
    truth = random_teacher((4, 3, 1), "tanh", 2)
    asked = []

    def answer(x):
        asked.append(len(x))
        return truth(x)

    def run():
        teacher = ec.Teacher.from_callable(answer, 4, outputs=1, dtype=np.float64)
        return ec.recover(teacher, activation="tanh", out=tmp_path / "run")

    first = run()
    spent = sum(asked)
    again = run()
    assert first.exact and spent == first.queries == again.queries == sum(asked)
    assert ec.compare(again.network, first.network).max_parameter_error == 0.0
    assert again.verdict is first.verdict and again.seconds == pytest.approx(first.seconds)


@pytest.mark.parametrize("stage", ["reduce", "expand", "fine_tune", "certify"])
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path, stage):
    truth = random_teacher((4, 3, 1), "tanh", 2)
    asked = []

    def answer(x):
        asked.append(x.copy())
        return truth(x)

    def run(out):
        teacher = ec.Teacher.from_callable(answer, 4, outputs=1, dtype=np.float64)
        return ec.recover(teacher, activation="tanh", out=out)

    whole = run(tmp_path / "whole")
    run(tmp_path / "stopped")
    for later in ("reduce", "expand", "cluster", "fine_tune", "certify")[
            ("reduce", "expand", "cluster", "fine_tune", "certify").index(stage):]:
        (tmp_path / "stopped" / "stages" / f"{later}.safetensors").unlink()
    before = len(asked)
    resumed = run(tmp_path / "stopped")
    assert len(asked) == before  # every answer was kept
    assert resumed.queries == whole.queries
    for a, b in zip(whole.network.weights, resumed.network.weights, strict=True):
        np.testing.assert_array_equal(a, b)


# --- nothing to recover -------------------------------------------------------------------------------------------

QUICK = ec.RecoverOptions(expand=ec.ExpandOptions(widths=(4, 8), waves=2))


def test_a_wrong_activation_is_not_called_exact():
    truth = random_teacher((4, 3, 1), "tanh", 0)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation="softplus", options=QUICK)
    assert recovery.verdict is ec.Verdict.CANNOT_IMITATE and "activation" in recovery.verdict.value


def test_too_few_layers_are_not_called_exact():
    truth = random_teacher((3, 3, 3, 1), "tanh", 0)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation="tanh", hidden_layers=1, options=QUICK)
    assert recovery.verdict is ec.Verdict.CANNOT_IMITATE and "depth" in recovery.verdict.value


def test_too_many_layers_are_not_called_exact():
    truth = random_teacher((4, 3, 1), "tanh", 0)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation="tanh", hidden_layers=2, options=QUICK)
    assert not recovery.exact


def test_a_random_forest_is_no_network():
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    forest = RandomForestRegressor(5, random_state=0).fit(x, np.sin(x[:, 0]) + x[:, 1])
    recovery = ec.recover(ec.Teacher.from_sklearn(forest), activation="relu", options=QUICK)
    assert recovery.verdict is ec.Verdict.CANNOT_IMITATE


def test_one_percent_of_noise_is_never_exact():
    truth = random_teacher((4, 3, 1), "tanh", 0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4))
    y = truth(x) + 0.01 * truth(x).std() * rng.normal(size=(2000, 1))
    assert ec.recover(ec.Teacher.from_data(x, y), activation="tanh", options=QUICK).verdict is not ec.Verdict.EXACT
    known = ec.RecoverOptions(queries=ec.QueryOptions(noise=0.01), expand=QUICK.expand)
    recovery = ec.recover(ec.Teacher.from_data(x, y), activation="tanh", options=known)
    assert recovery.verdict is ec.Verdict.IMPRECISE and recovery.certificate.largest_error_bar > 1e-4


@pytest.mark.parametrize("noise", [1e-8, 1e-4, 1e-2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_parameters_are_as_exact_as_random_noise_allows(activation, noise):
    truth = random_teacher((6, 5, 2), activation, 0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 6))
    spread = noise * truth(x).std()

    def answer(x):
        return truth(x) + spread * rng.normal(size=(len(x), 2))

    asked = ec.RecoverOptions(queries=ec.QueryOptions(noisy=True))
    for teacher, options in ((ec.Teacher.from_callable(answer, 6), asked),
                             (ec.Teacher.from_data(x, answer(x)),
                              ec.RecoverOptions(queries=ec.QueryOptions(noise=noise)))):
        found = ec.recover(teacher, activation=activation, options=options)
        sure = 5 * found.certificate.largest_error_bar
        table_is_enough = options is not asked and sure <= 1e-8  # all its rows together
        assert found.verdict is (ec.Verdict.EXACT if table_is_enough else ec.Verdict.IMPRECISE)
        assert found.hidden_sizes == (5,)
        assert ec.compare(found, truth).max_parameter_error < sure < 3 * noise


@pytest.mark.parametrize("queries", [1, 2, 5, 10, 20, 40])
def test_fewer_queries_than_parameters(queries):
    truth = random_teacher((6, 5, 1), "tanh", 0)  # 41 parameters, one output
    options = ec.RecoverOptions(queries=ec.QueryOptions(max_queries=queries), expand=QUICK.expand)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation="tanh", options=options)
    assert recovery.verdict is ec.Verdict.TOO_FEW_QUERIES and recovery.queries <= queries
    assert "more samples" in recovery.verdict.value


@pytest.mark.parametrize("queries", [47, 77, 130])
def test_a_budget_that_ends_in_the_middle_of_a_stage(queries):
    truth = random_teacher((6, 5, 2), "tanh", 0)
    options = ec.RecoverOptions(queries=ec.QueryOptions(max_queries=queries), expand=QUICK.expand)
    recovery = ec.recover(ec.Teacher.from_network(truth), activation="tanh", options=options)
    assert recovery.verdict is ec.Verdict.TOO_FEW_QUERIES and recovery.queries <= queries


def test_fewer_rows_than_parameters():
    truth = random_teacher((6, 5, 1), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(30, 6))
    recovery = ec.recover(ec.Teacher.from_data(x, truth(x)), activation="tanh", options=QUICK)
    assert recovery.verdict is ec.Verdict.TOO_FEW_QUERIES


@pytest.mark.parametrize(("function", "message"), [
    (lambda x: np.ones((len(x), 2)), "same answer"),
    (lambda x: np.full((len(x), 1), np.inf), "infinite"),
    (lambda x: np.random.default_rng().normal(size=(len(x), 1)), "between calls"),
])
def test_teachers_that_cannot_be_used(function, message):
    with pytest.raises(TeacherError, match=message):
        ec.recover(ec.Teacher.from_callable(function, 3), activation="tanh")


@pytest.mark.parametrize(("settings", "message"), [
    ({"activation": "tanhh"}, "Did you mean 'tanh'"),
    ({"hidden_layers": 0}, "hidden_layers"),
    ({"hidden_layers": 1.5}, "hidden_layers"),
    ({"seed": -1}, "seed"),
    ({"options": {"students": 3}}, "RecoverOptions"),
    ({"inputs": np.zeros((20, 2))}, "3 numbers"),
])
def test_bad_arguments(settings, message):
    teacher = ec.Teacher.from_callable(lambda x: np.tanh(x[:, :1]), 3)
    with pytest.raises(BadInput, match=message):
        ec.recover(teacher, **{"activation": "tanh", **settings})


def test_not_a_teacher():
    with pytest.raises(BadInput, match=r"Teacher\.from_callable"):
        ec.recover(lambda x: x, activation="tanh")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.1)"])
def test_a_rarely_active_neuron_is_looked_for_and_found(activation):
    """Its kink lies four standard deviations from where inputs are drawn."""
    truth = random_teacher((10, 6, 2), activation, 3)
    biases = truth.biases[0].copy()
    biases[2] = -4.0 * np.linalg.norm(truth.weights[0][2])
    truth = ec.Network(truth.weights, (biases, truth.biases[1]), truth.activation)
    recovery = _recover(truth)
    assert recovery.verdict is ec.Verdict.EXACT
    assert ec.compare(recovery, truth).max_parameter_error < 1e-12


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_neuron_that_students_never_meet_is_not_missed_in_silence(activation):
    """Its kink lies ten standard deviations from where inputs are drawn."""
    truth = random_teacher((5, 3, 2), activation, 1)
    biases = truth.biases[0] + np.array([0.0, 0.0, -20.0])
    recovery = _recover(ec.Network(truth.weights, (biases, truth.biases[1]), truth.activation))
    assert recovery.verdict is not ec.Verdict.EXACT


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_inputs_that_do_not_vary_are_undetermined_and_disturb_nothing(activation):
    rng = np.random.default_rng(0)
    truth = ec.Network((rng.normal(size=(3, 12)), rng.normal(size=(2, 3))),
                       (0.3 * rng.normal(size=3), rng.normal(size=2)), activation)
    x = rng.normal(size=(1500, 12)) * np.logspace(-2, 2, 12)  # inputs in units of their own
    x[:, 5], x[:, 8] = 0.0, x[:, 7]
    found = ec.recover(ec.Teacher.from_data(x, truth(x / np.logspace(-2, 2, 12))), activation=activation)
    scaled = ec.Network((truth.weights[0] / np.logspace(-2, 2, 12), truth.weights[1]), truth.biases, activation)
    assert found.verdict is ec.Verdict.UNDETERMINED and found.hidden_sizes == (3,)
    assert set(found.certificate.undetermined) == {f"W1[{j},{i}]" for j in range(3) for i in (5, 7, 8)}
    assert ec.compare(found, scaled).determined_error < 1e-10
