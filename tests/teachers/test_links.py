"""Networks behind softmax and logistic answers are recovered as exactly as the answers' digits allow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from tests.problems import in_float32, logistic, onnx_with_last, random_teacher, softmax, stretched

import expandcluster as ec
from expandcluster.errors import BadInput, RunFolderError
from expandcluster.export.sklearn_models import network_from_sklearn
from expandcluster.networks import Network
from expandcluster.progress import RowSpaceFound
from expandcluster.read_run import read_run
from expandcluster.symmetry_moves import centre_outputs
from expandcluster.teachers import Teacher, open_teacher
from expandcluster.teachers.links import link_of

Answer = Callable[[np.ndarray], np.ndarray]
X = np.random.default_rng(0).normal(size=(600, 5))


THREE, ONE = random_teacher((5, 4, 3), "tanh", 3), random_teacher((5, 4, 1), "tanh", 1)


def recover(answer: Answer, truth: Network, **settings: Any) -> ec.Recovery:
    teacher = Teacher.from_callable(answer, truth.sizes[0])
    return ec.recover(teacher, activation=truth.activation, hidden_layers=len(truth.hidden_sizes), **settings)


# --- a link and its digits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_undone_up_to_a_shift(dtype: type) -> None:
    z = 10.0 * np.random.default_rng(1).normal(size=(200, 4))
    p = softmax(z).astype(dtype)
    found = link_of("softmax", p, np.dtype(dtype)).undo(p.astype(np.float64))
    np.testing.assert_allclose(found, z - z.mean(axis=1, keepdims=True), rtol=0, atol=50 * np.finfo(dtype).eps)


def test_logistic_is_undone_as_exactly_as_its_digits_allow() -> None:
    z = np.linspace(-300.0, 40.0, 4001)[:, None]
    p = logistic(z)
    link = link_of("logistic", p, np.dtype(np.float64))
    found, good = link.undo(p), link.usable(p)
    assert good[z[:, 0] < 18].all() and not good[z[:, 0] > 19].any()
    np.testing.assert_array_equal(np.isnan(found[:, 0]), ~good)
    error = np.abs(found - z)[good][:, 0]
    assert error[z[good][:, 0] < 0].max() < 1e-12 and error.max() < 3e-8
    np.testing.assert_array_equal(link.reached(z), good)


@pytest.mark.parametrize("case", ["logistic", "decimals", "float32"])
def test_the_noise_that_rounding_leaves_is_foreseen(case: str) -> None:
    z = 2.0 * np.random.default_rng(2).normal(size=(3000, 3)) + 3.0
    if case == "logistic":
        p, exact, kind = logistic(3 * z), 3 * z, "logistic"
    else:
        p, exact, kind = softmax(z), z - z.mean(axis=1, keepdims=True), "softmax"
        p = np.round(p, 6) if case == "decimals" else p.astype(np.float32).astype(np.float64)
    link = link_of(kind, p, np.dtype(np.float64))
    good = link.usable(p)
    seen = float(np.sqrt(np.mean((link.undo(p)[good] - exact[good]) ** 2)))
    assert 0.3 < link.noise(exact[good]) / seen < 6


@pytest.mark.parametrize(("change", "step"), [
    (lambda p: p, 0.0), (lambda p: np.round(p, 2), 1e-2), (lambda p: np.round(p, 7), 1e-7),
    (lambda p: np.round(255 * p) / 255, 1 / 255), (lambda p: np.round(p, 4).astype(np.float32), 1e-4),
    (lambda p: np.concatenate([1 - p[:, 1:2], p[:, 1:2]], axis=1), 2.0**-53),
])
def test_rounded_answers_show_it(change: Answer, step: float) -> None:
    p = change(softmax(3 * np.random.default_rng(3).normal(size=(60, 3))))
    assert link_of("softmax", p.astype(np.float64), p.dtype).step == step


def test_a_type_coarser_than_that_of_the_answers_shows() -> None:
    p = softmax(X[:, :3]).astype(np.float32).astype(np.float64)
    assert link_of("softmax", p, np.dtype(np.float64)).epsilon == np.finfo(np.float32).eps


# --- whole recoveries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_softmax_network_is_recovered_exactly(activation: str) -> None:
    truth = random_teacher((5, 4, 3), activation, 3)
    recovery = recover(lambda x: softmax(truth(x)), truth)
    assert recovery.exact and recovery.output == "softmax" and "sum to 1" in recovery.told_by
    assert "shift" in recovery.hidden_by_output
    assert recovery.network is not None and np.abs(recovery.network.weights[-1].sum(axis=0)).max() < 1e-12
    assert ec.compare(recovery, truth).max_parameter_error <= 1e-13
    assert ec.compare(recovery.network, truth).max_parameter_error > 1e-3  # the shift is hidden
    assert ec.compare(recovery.network, truth, output="softmax").exact


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_float32_softmax_network_is_recovered(activation: str) -> None:
    truth = stretched(random_teacher((5, 4, 3), activation, 3), 3.0)
    answer = in_float32(truth)
    recovery = recover(lambda x: softmax(answer(x)), truth)
    assert recovery.exact and recovery.output == "softmax"
    assert ec.compare(recovery, truth).max_parameter_error <= 1e-5


def test_a_logistic_network_is_recovered_exactly() -> None:
    recovery = recover(lambda x: logistic(ONE(x)), ONE)
    assert recovery.exact and (recovery.output, recovery.hidden_by_output) == ("logistic", "")
    assert "never leave [0, 1]" in recovery.told_by
    assert ec.compare(recovery, ONE).max_parameter_error <= 1e-12


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_saturated_answers_are_left_out(dtype: type) -> None:
    truth = stretched(random_teacher((5, 4, 1), "relu", 2), 10.0)
    answer = in_float32(truth) if dtype == np.float32 else truth
    recovery = recover(lambda x: logistic(answer(x)), truth, output="logistic")
    assert recovery.exact and "too close to 0 or 1" in recovery.told_by
    assert ec.compare(recovery, truth).max_parameter_error <= (1e-9 if dtype == np.float64 else 1e-4)


WIDE = {activation: random_teacher((30, 5, 4), activation, 3) for activation in ("tanh", "relu")}


@pytest.mark.parametrize(("dtype", "domain"), [(np.float64, ec.Domain()), (np.float32, ec.Domain(0.0, 1.0))])
def test_a_softmax_network_is_found_in_its_row_space_and_lifted(dtype: type, domain: ec.Domain) -> None:
    truth = WIDE["tanh"]
    answer = in_float32(truth) if dtype == np.float32 else truth
    events: list[ec.Event] = []
    recovery = recover(lambda x: softmax(answer(x)), truth, progress=events.append,
                       options=ec.RecoverOptions(queries=ec.QueryOptions(domain=domain)))
    assert recovery.exact and [e.rank for e in events if isinstance(e, RowSpaceFound)] == [5]
    assert ec.compare(recovery, truth).max_parameter_error <= (1e-12 if dtype == np.float64 else 1e-4)


def test_steps_to_saturated_answers_and_over_kinks_are_replaced() -> None:
    truth = stretched(WIDE["relu"], 8.0)
    recovery = recover(lambda x: logistic(truth(x)), truth)
    assert recovery.exact and "too close to 0 or 1" in recovery.told_by
    assert ec.compare(recovery, truth).max_parameter_error <= 1e-8


def test_two_columns_are_a_softmax_whose_logits_are_half_the_truth() -> None:
    recovery = recover(lambda x: np.concatenate([1 - logistic(ONE(x)), logistic(ONE(x))], axis=1), ONE)
    assert recovery.exact and recovery.output == "softmax" and recovery.network is not None
    assert recovery.network.sizes == (5, 4, 2)
    result = ec.compare(recovery, ONE)
    assert result.exact and result.true_sizes == (5, 4, 2)


def test_a_table_of_probabilities() -> None:
    recovery = ec.recover(Teacher.from_data(X, softmax(THREE(X))), activation="tanh")
    assert recovery.exact and recovery.output == "softmax" and recovery.queries == 600
    assert ec.compare(recovery, THREE).exact


def test_rounded_probabilities_are_never_called_exact() -> None:
    recovery = recover(lambda x: np.round(softmax(THREE(x)), 6), THREE)
    assert recovery.verdict is ec.Verdict.IMPRECISE and "multiples of 1e-06" in recovery.told_by
    error = ec.compare(recovery, THREE).max_parameter_error
    assert recovery.certificate is not None and error <= 10 * recovery.certificate.largest_error_bar <= 1e-3


def classifier(classes: int, activation: str = "tanh", dtype: type = np.float64) -> MLPClassifier:
    x = np.random.default_rng(0).normal(size=(150, 4))
    y = np.argmax(x[:, :classes], axis=1) if classes > 2 else (x[:, 0] > np.abs(x[:, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a teacher need not be trained to the end
        model = MLPClassifier((4,), activation=activation, max_iter=100, learning_rate_init=0.02, random_state=0)
        return model.fit(x.astype(dtype), y)


@pytest.mark.parametrize(("classes", "dtype"), [(3, np.float64), (3, np.float32), (2, np.float64)])
def test_the_probabilities_of_a_scikit_learn_classifier(classes: int, dtype: type) -> None:
    model = classifier(classes, dtype=dtype)
    teacher = Teacher.from_sklearn(model, probabilities=True)
    assert teacher.outputs == (3 if classes == 3 else 1)
    recovery = ec.recover(teacher, activation="tanh")
    assert recovery.exact and recovery.output == ("softmax" if classes == 3 else "logistic")
    result = ec.compare(recovery, network_from_sklearn(model), tolerance=1e-8 if dtype == np.float64 else 1e-3)
    assert result.exact, result.max_parameter_error


def test_an_onnx_model_that_ends_in_a_softmax(tmp_path: Path) -> None:
    path = onnx_with_last(THREE, "Softmax", tmp_path / "net.onnx")
    recovery = ec.recover(Teacher.from_onnx(path), activation="tanh")
    assert recovery.exact and recovery.output == "softmax"
    assert ec.compare(recovery, THREE, tolerance=1e-3).max_parameter_error <= 1e-5
    with pytest.raises(BadInput, match="Softmax after the last"):
        ec.open_network(path)
    assert ec.compare(recovery, ec.open_network(path, before="softmax"), tolerance=1e-3).exact


# --- run folders --------------------------------------------------------------------------------------------------


def test_a_run_goes_on_and_is_another_run_with_another_output(tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return softmax(THREE(x))

    def run(**settings: Any) -> ec.Recovery:
        teacher = Teacher.from_callable(answer, 5, outputs=3, dtype=np.float64)
        return ec.recover(teacher, activation="tanh", out=tmp_path / "run", **settings)

    first = run()
    for stage in ("link", "probe", "fine_tune", "challenge", "certify"):
        (tmp_path / "run" / "stages" / f"{stage}.safetensors").unlink()
    again = run()
    assert sum(asked) == first.queries == again.queries and first.exact
    assert (again.output, again.told_by) == (first.output, first.told_by) == ("softmax", first.told_by)
    assert first.network is not None and again.network is not None
    np.testing.assert_array_equal(again.network.weights[-1], first.network.weights[-1])
    stored = read_run(tmp_path / "run")
    assert (stored.output, stored.told_by, stored.hidden_by_output) == ("softmax", first.told_by,
                                                                        first.hidden_by_output)
    assert ec.compare(stored, THREE).exact
    with pytest.raises(RunFolderError, match=r"its output is 'auto'; expected output 'logistic'"):
        run(output="logistic")


def test_models_named_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "from tests.teachers.test_links import classifier\nm = classifier(2)\n"
    (tmp_path / "module_of_links.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    raw, probability = (open_teacher("module_of_links:m", probabilities=p) for p in (False, True))
    x = np.zeros((3, 4))
    np.testing.assert_allclose(probability.ask(x), logistic(raw.ask(x)), atol=1e-15)


def test_centring_keeps_the_softmax() -> None:
    centred = centre_outputs(THREE)
    np.testing.assert_allclose(softmax(centred(X)), softmax(THREE(X)), atol=1e-14)
    np.testing.assert_allclose(centred(X).sum(axis=1), 0.0, atol=1e-12)
