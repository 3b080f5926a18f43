"""Estimators: what they find, what they claim, and that scikit-learn's tools take them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine, make_moons
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster import ExpandAndClusterClassifier as Classifier
from expandcluster import ExpandAndClusterRegressor as Regressor
from expandcluster.activations import get_activation
from expandcluster.errors import BadInput
from expandcluster.estimator_training import Data, penalised_loss, row_losses, train_with_decay

TRUTH = random_teacher((4, 3, 1), "tanh", 0)
X = np.random.default_rng(0).normal(size=(300, 4))
Y = TRUTH(X)[:, 0]
NOISE = Y.std() * np.random.default_rng(1).normal(size=len(X))
SMALL = {"widths": (2, 4), "students": 3, "alpha": 1e-3}


@pytest.mark.parametrize("inputs", ["as they are", "scaled"])
def test_exact_data_are_recovered_and_said_to_be(inputs: str) -> None:
    scale, shift = (np.array([1.0, 100.0, 0.01, 3.0]), 7.0) if inputs == "scaled" else (1.0, 0.0)
    model = Regressor().fit(X * scale + shift, Y)
    assert model.verdict_ is ec.Verdict.EXACT and model.source_ == "recovery" and model.hidden_sizes_ == (3,)
    assert model.recovery_.exact and model.network_ is model.recovery_.network
    fresh = np.random.default_rng(5).normal(size=(50, 4))
    np.testing.assert_allclose(model.predict(fresh * scale + shift), TRUTH(fresh)[:, 0], atol=1e-9)
    if inputs == "as they are":
        assert ec.compare(model.network_, TRUTH).max_parameter_error <= 1e-8


@pytest.mark.parametrize("size", [0.3, 1e-2, 1e-6])
def test_noisy_data_are_fitted_and_never_called_exact(size: float) -> None:
    model = Regressor(widths=(2, 4, 8), students=4).fit(X, Y + size * NOISE)
    assert model.verdict_ is not ec.Verdict.EXACT and model.source_ == "fit"
    assert (model.verdict_ is None) == (size == 0.3)  # a recovery is tried where little is left open
    assert 1 - model.score(X, Y) < 0.1 * max(size, 1e-2) and max(model.hidden_sizes_) <= 5


def test_a_function_that_is_no_network_is_not_called_exact() -> None:
    y = np.abs(X[:, 0]) * X[:, 1]
    model = Regressor(recovery="always", **SMALL).fit(X, y)
    assert model.verdict_ is not ec.Verdict.EXACT and model.recovery_ is not None
    assert Regressor(recovery="never", **SMALL).fit(X, Y).verdict_ is None


def test_wide_students_are_pruned_to_what_small_ones_do_not_find() -> None:
    x, y = make_moons(280, noise=0.25, random_state=0)
    model, small = Classifier().fit(x, y), Classifier(widths=(4,)).fit(x, y)
    assert model.hidden_sizes_[0] <= 6 and model.loss_ < 0.8 * small.loss_
    assert max(t.hidden_sizes[0] for t in model.trials_) >= 16
    assert {t.stage for t in model.trials_} == {"expand", "prune"}
    assert model.support_.shape == model.hidden_sizes_ and model.support_.max() == 5
    assert model.loss_ <= 1.05 * min(t.loss for t in model.trials_)


def test_several_outputs_and_hidden_layers() -> None:
    y = random_teacher((4, 3, 2), "tanh", 3)(X)
    model = Regressor(hidden_layers=2, recovery="never", **SMALL).fit(X, y)
    assert model.predict(X).shape == y.shape and model.score(X, y) > 0.95 and len(model.hidden_sizes_) == 2
    assert not model.merged_
    assert Regressor(recovery="never", **SMALL).fit(X, y[:, :1]).predict(X).shape == (300, 1)


@pytest.mark.parametrize("activation", ["relu", "softplus", np.tanh.__name__])
def test_activations(activation: str) -> None:
    model = Regressor(activation, recovery="never", **SMALL).fit(X, Y + 0.1 * NOISE)
    assert model.network_.activation == get_activation(activation) and model.score(X, Y) > 0.9


def test_the_network_is_on_the_data_as_they_are() -> None:
    x, y = load_diabetes(return_X_y=True)
    model = Regressor(recovery="never", **SMALL).fit(1e3 * x + 5, y)
    np.testing.assert_allclose(model.network_(1e3 * x + 5)[:, 0], model.predict(1e3 * x + 5), rtol=1e-12)
    np.testing.assert_allclose(ec.export.to_sklearn(model.network_).predict(1e3 * x + 5), model.predict(1e3 * x + 5),
                               rtol=1e-10)
    np.testing.assert_allclose(Regressor(recovery="never", **SMALL).fit(x, y).predict(x), model.predict(1e3 * x + 5),
                               rtol=1e-3)
    assert model.score(1e3 * x + 5, y) > 0.4


def test_classes_and_probabilities() -> None:
    x, y = load_wine(return_X_y=True)
    names = np.array(["barbera", "barolo", "grignolino"])[y]
    model = Classifier(**SMALL).fit(x, names)
    assert model.score(x, names) > 0.97 and list(model.classes_) == sorted(set(names)) and model.output_ == "softmax"
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), p)
    np.testing.assert_allclose(model.decision_function(x), model.network_(x))
    other = ec.export.to_sklearn(model.network_, output=model.output_, classes=model.classes_)
    np.testing.assert_allclose(other.predict_proba(x), p, atol=1e-12)
    two = Classifier(**SMALL).fit(x, y == 1)
    assert two.output_ == "logistic" and two.network_.sizes[-1] == 1 and two.predict_proba(x).shape == (178, 2)
    np.testing.assert_allclose(np.exp(two.predict_log_proba(x)), two.predict_proba(x))
    np.testing.assert_array_equal(two.predict(x), two.decision_function(x) > 0)


def test_tools_of_scikit_learn_take_them() -> None:
    x, y = load_diabetes(return_X_y=True)
    assert cross_val_score(Regressor(**SMALL), x, y, cv=3).mean() > 0.4
    search = GridSearchCV(Regressor(**SMALL), {"activation": ["tanh", "relu"], "alpha": [1e-2, 3e-2]}, cv=2).fit(x, y)
    assert search.best_estimator_.score(x, y) > 0.4 and search.cv_results_["mean_test_score"].shape == (4,)
    pipeline = make_pipeline(PolynomialFeatures(2), Classifier(**SMALL))
    wine = load_wine(return_X_y=True)
    assert cross_val_score(pipeline, *wine, cv=3).mean() > 0.9


def test_clones_and_pickles() -> None:
    model = Regressor("leaky_relu(0.1)", **SMALL).fit(X, Y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert copy.network_.activation == model.network_.activation
    again = clone(model)
    assert not hasattr(again, "network_") and again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.fit(X, Y).predict(X), model.predict(X))


def test_the_same_seed_gives_the_same_network() -> None:
    y = Y + 0.3 * NOISE
    one, same, other = (Regressor(random_state=r, **SMALL).fit(X, y) for r in (3, 3, 4))
    np.testing.assert_array_equal(one.predict(X), same.predict(X))
    assert np.abs(one.predict(X) - other.predict(X)).max() > 0


def test_every_parameter_matters() -> None:
    y = Y + 0.3 * NOISE
    base = Regressor(recovery="never", **SMALL).fit(X, y)
    for change in ({"widths": (1,)}, {"students": 2}, {"alpha": 0.1}, {"alpha": "auto"}, {"standardise": False},
                   {"activation": "relu"}, {"hidden_layers": 2}):
        other = clone(base).set_params(**change).fit(X, y)
        assert np.abs(other.predict(X) - base.predict(X)).max() > 1e-6, change


@pytest.mark.parametrize("parameters, message", [
    ({"students": 1}, "students: got 1; expected an integer of at least 2"),
    ({"hidden_layers": 0}, "hidden_layers: got 0; expected an integer of at least 1"),
    ({"widths": (4, 2)}, "widths: got .4, 2.; expected a tuple of growing positive integers"),
    ({"alpha": -1.0}, "alpha: got -1.0; expected 'auto' or a number of at least 0"),
    ({"alpha": "big"}, "alpha: got 'big'; expected 'auto'"),
    ({"recovery": "yes"}, "recovery: got 'yes'; expected 'auto', 'always' or 'never'"),
    ({"activation": "tahn"}, "activation: got 'tahn'.*Did you mean 'tanh'"),
])
def test_wrong_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Regressor(**parameters).fit(X, Y)


def test_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match=r"classes: got 1 class .*; expected at least 2 classes"):
        Classifier().fit(X, np.ones(300))


@pytest.mark.parametrize("kind, outputs", [("squared", 2), ("softmax", 3), ("logistic", 1)])
def test_training_ends_where_the_penalised_loss_is_least(kind: str, outputs: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(70, outputs)) if kind == "squared" else np.eye(3)[rng.integers(3, size=70)][:, :outputs]
    data = Data(rng.normal(size=(70, 3)), y, kind)
    start = [random_teacher((3, 2, outputs), "tanh", 0), random_teacher((3, 5, outputs), "tanh", 1)]
    weights = np.ones((2, 70))
    weights[1, :20] = 0.0
    trained = train_with_decay(start, data, weights, 0.01, 3000)
    for network, weight, before in zip(trained, weights, start, strict=True):
        seen = Data(data.x[weight > 0], data.y[weight > 0], kind)
        least = penalised_loss(network, seen, 0.01)
        assert network.sizes == before.sizes and least < penalised_loss(before, seen, 0.01)
        for place in range(2):  # no small step in any direction is downhill
            for _ in range(20):
                step = 1e-3 * rng.normal(size=network.weights[place].shape)
                moved = list(network.weights)
                moved[place] = moved[place] + step
                assert penalised_loss(ec.Network(tuple(moved), network.biases, "tanh"), seen, 0.01) > least - 1e-7
    assert row_losses(trained[0], data).shape == (70,)
