"""Raw outputs and probabilities are told apart, and answers that say too little of a network are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC
from tests.problems import logistic, random_teacher, softmax, stretched

import expandcluster as ec
from expandcluster.errors import BadInput, TeacherError
from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain
from expandcluster.queries.find_link import find_link
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import Source, open_source
from expandcluster.teachers import Teacher
from expandcluster.teachers.links import Link

Answer = Callable[[np.ndarray], np.ndarray]
X = np.random.default_rng(0).normal(size=(600, 5))
THREE, ONE = random_teacher((5, 4, 3), "tanh", 3), random_teacher((5, 4, 1), "tanh", 1)
SIX = random_teacher((5, 4, 6), "relu", 3)


def source(answer: Answer | Teacher, inputs: np.ndarray | None = None, **options: Any) -> Source:
    teacher = answer if isinstance(answer, Teacher) else Teacher.from_callable(answer, 5)
    return open_source(teacher, QueryOptions(**options), 0, inputs)


@pytest.mark.parametrize("case", ["tanh", "relu", "deep relu", "softplus", "several"])
def test_probabilities_are_told(case: str) -> None:
    sizes = (5, 4, 4, 1) if "deep" in case else (5, 4, 3) if case == "several" else (5, 4, 1)
    truth = random_teacher(sizes, case.split()[-1] if case != "several" else "tanh", 2)
    for answer in (lambda x: logistic(truth(x)), lambda x: logistic(truth(x)).astype(np.float32)):
        assert find_link(source(answer)).kind == "logistic"


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "softplus", "gelu"])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_a_raw_network_between_0_and_1_is_not_misread(activation: str, outputs: int, shift: float) -> None:
    for seed in range(3):
        network = random_teacher((5, 4, outputs), activation, seed)
        inside = stretched(network, 0.2 / np.abs(network(X)).max(), 0.5 + shift)
        assert ((inside(X) > 0) & (inside(X) < 1)).all()
        for answer in (inside, lambda x, f=inside: f(x).astype(np.float32)):
            assert find_link(source(answer)).kind == "raw"


def test_probabilities_of_few_significant_digits_are_told() -> None:
    link = find_link(source(lambda x: np.vectorize(lambda v: float(f"{v:.4g}"))(softmax(THREE(x)))))
    assert link.kind == "softmax"


def test_one_raw_sigmoid_neuron_is_not_misread() -> None:
    neuron = Network((np.ones((1, 5)), np.ones((1, 1))), (np.zeros(1), np.zeros(1)), "sigmoid")  # type: ignore
    assert find_link(source(neuron)).kind == "raw"


def test_where_it_cannot_be_told_it_stays_raw_and_is_said() -> None:
    events: list[ec.Event] = []
    for asked in (source(lambda x: logistic(ONE(x)), X), source(Teacher.from_data(X, logistic(ONE(X))))):
        link = find_link(asked, "auto", events.append)
        assert link.kind == "raw" and "say output='logistic'" in link.why
    assert [e.stage for e in events] == ["link", "link"] and all("output='logistic'" in e.message for e in events)
    assert find_link(source(lambda x: logistic(ONE(x)), X), "logistic").kind == "logistic"


@pytest.mark.parametrize(("answer", "most"), [(THREE, 12), (lambda x: softmax(THREE(x)), 80)])
def test_telling_costs_few_queries(answer: Answer, most: int) -> None:
    asked = source(answer)
    find_link(asked)
    assert asked.queries - asked.teacher.asked <= most


def test_nothing_is_asked_of_a_teacher_that_is_known() -> None:
    asked = source(Teacher.from_network(THREE))
    assert find_link(asked) == Link() and asked.queries == 0


@pytest.mark.parametrize("budget", [1, 2, 5, 10, 20, 40, 100])
@pytest.mark.parametrize("output", ["auto", "softmax"])
def test_the_budget_is_a_hard_limit(budget: int, output: str) -> None:
    asked = source(lambda x: softmax(THREE(x)), max_queries=budget)
    asked.use(find_link(asked, output))
    if asked.available:
        probe_teacher(asked)
    asked.samples(1000)
    assert asked.queries <= budget


def test_inputs_are_drawn_in_until_most_answers_can_be_used() -> None:
    truth = stretched(SIX, 50.0)
    asked = source(lambda x: softmax(truth(x).astype(np.float32)))
    link = find_link(asked)
    assert link.kind == "softmax" and 0.01 < link.shrink < 0.5 and "closer to 0" in link.why
    asked.use(link)
    samples = asked.full(500)
    assert len(samples.x) == 500 and np.isfinite(samples.y).all()
    assert samples.x.std() == pytest.approx(link.shrink, rel=0.3)


@pytest.mark.parametrize(("sampler", "domain"), [
    ("uniform", Domain(-1.0, 3.0)), ("gaussian", Domain(-1.0, 3.0)), ("gaussian", Domain(low=0.5)),
    ("uniform", Domain(-200, 200, integers=True))])
def test_inputs_are_drawn_in_inside_their_domain(sampler: Any, domain: Domain) -> None:
    before = source(THREE, domain=domain, sampler=sampler).sampler
    asked = source(lambda x: softmax(stretched(SIX, 50.0)((x - before.center) / before.unit).astype(np.float32)),
                   domain=domain, sampler=sampler)
    link = find_link(asked)
    asked.use(link)
    x = asked.full(300).x
    assert link.shrink < 1 and len(x) == 300 and asked.region.contains(x)
    distance = np.sqrt(np.mean((x[1::3] - before.center) ** 2))
    assert distance == pytest.approx(link.shrink * before.unit[0], rel=0.3)
    asked.keep_to(np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0])
    z = asked.samples(300)
    assert np.isfinite(z.y).all() and np.abs(z.x).max() < 10


def test_streams_without_saturated_answers_do_not_depend_on_how_they_are_asked() -> None:
    truth = stretched(random_teacher((5, 4, 1), "relu", 2), 10.0)
    once, often = (source(lambda x: logistic(truth(x))) for _ in range(2))
    for asked in (once, often):
        asked.use(find_link(asked, "logistic"))
    for count in (7, 8, 100, 300):
        often.samples(count)
    np.testing.assert_array_equal(once.samples(400).x, often.samples(400).x)
    assert once.queries == often.queries > 400 + 65
    np.testing.assert_allclose(often.samples(400).y, truth(often.samples(400).x), atol=1e-7)


# --- refused ------------------------------------------------------------------------------------------------------


def top(k: int, network: Network) -> Answer:
    def answer(x: np.ndarray) -> np.ndarray:
        p = softmax(network(x))
        return np.where(p >= np.sort(p, axis=1)[:, -k][:, None], p, 0.0)

    return answer


def renormalised(answer: Answer) -> Answer:
    return lambda x: answer(x) / answer(x).sum(axis=1, keepdims=True)


LABELS = r"whole numbers, as class labels are; expected numbers that vary.*predict_proba"
REFUSED: dict[str, tuple[Answer | Teacher, str, str]] = {
    "labels": (lambda x: THREE(x).argmax(axis=1), "auto", LABELS),
    "labels said to be raw": (lambda x: THREE(x).argmax(axis=1), "raw", LABELS),
    "two labels": (lambda x: (ONE(x) > 0).astype(int), "auto", LABELS),
    "labels in a table": (Teacher.from_data(X, THREE(X).argmax(axis=1)), "auto", LABELS),
    "one-hot": (lambda x: np.eye(3)[THREE(x).argmax(axis=1)], "softmax", r"got one-hot rows; expected.*A label tells"),
    "top 2": (top(2, SIX), "auto", r"at most 2 of 6 are not 0; expected the probabilities of all classes.*Top-k"),
    "top 2 of sum 1": (renormalised(top(2, SIX)), "auto", r"at most 2 of 6 are not 0"),
    "top 2 said to be softmax": (top(2, SIX), "softmax", r"rows that sum to 0\.\d+; expected .*sum to 1.*all classes"),
    "one decimal": (lambda x: np.round(softmax(THREE(x)), 1), "auto", r"rounded to multiples of 0.1.*more digits"),
    "saturated": (lambda x: logistic(ONE(x) + 45), "logistic", r"so close to 0 or 1 that 0% of them.*raw outputs"),
    "raw said to be softmax": (THREE, "softmax", r"got -?[\d.]+; expected probabilities from 0 to 1 .*output='raw'"),
    "raw said to be logistic": (ONE, "logistic", r"got -?[\d.]+; expected probabilities from 0 to 1 .*output='raw'"),
    "one output": (lambda x: logistic(ONE(x)), "softmax", r"one number each; expected .*several.*output='logistic'"),
    "several": (lambda x: logistic(THREE(x)), "softmax", r"rows that sum to .*output='logistic' for independent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_answers_that_do_not_determine_the_network_are_refused(case: str) -> None:
    answer, output, message = REFUSED[case]
    with pytest.raises(TeacherError, match=message):
        find_link(source(answer), output)


def test_a_random_forest_answers_with_zeros() -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(X, THREE(X).argmax(axis=1))
    with pytest.raises(TeacherError, match=r"can be used|are not 0"):
        ec.recover(Teacher.from_sklearn(forest, probabilities=True), activation="relu")


def test_measured_whole_numbers_are_no_labels() -> None:
    counts = np.round(100 * np.abs(THREE(X)[:, :1]))
    assert find_link(source(Teacher.from_data(X, counts))).kind == "raw"
    noisy = source(Teacher.from_data(X, (ONE(X) > 0).astype(float)), noise=0.1)
    assert find_link(noisy).kind == "raw"


@pytest.mark.parametrize(("output", "message"), [
    ("softmx", r"output: got 'softmx'; expected raw, softmax, logistic or auto. Did you mean 'softmax'"),
    ("sigmoid", r"Did you mean 'logistic'"), ("logits", r"Did you mean 'raw'"), (None, r"got None"), (3, r"got 3"),
])
def test_other_outputs_are_refused_and_near_ones_suggested(output: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ec.recover(Teacher.from_network(THREE), activation="tanh", output=output)


@pytest.mark.parametrize("model", [MLPRegressor, LinearSVC])
def test_models_without_probabilities_are_refused(model: Any) -> None:
    y = X[:, 0] if model is MLPRegressor else X[:, 0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(max_iter=3).fit(X, y)
    with pytest.raises(BadInput, match=r"without predict_proba; expected a classifier that has it.*Leave out"):
        Teacher.from_sklearn(fitted, probabilities=True)


def test_what_scikit_learn_models_answer_is_known_where_they_say_so() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few steps are enough here
        model = MLPClassifier((4,), max_iter=3).fit(X, THREE(X).argmax(axis=1))
    assert Teacher.from_sklearn(model).output == "raw"
    assert Teacher.from_sklearn(model, probabilities=True).output == "softmax"
    regression = LogisticRegression().fit(X, THREE(X).argmax(axis=1))
    teacher = Teacher.from_sklearn(regression, probabilities=True)
    assert teacher.output is None and find_link(source(teacher)).kind == "softmax"
