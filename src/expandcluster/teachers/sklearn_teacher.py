"""A fitted scikit-learn model as a teacher."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.callable_teacher import as_rows

__all__ = ["SklearnTeacher"]


class SklearnTeacher(Teacher):
    """See :meth:`Teacher.from_sklearn`."""

    def __init__(self, model: Any, *, probabilities: bool = False) -> None:
        name = type(model).__name__
        if not hasattr(model, "predict"):
            raise BadInput("scikit-learn model", got=name, expected="a model with a predict method",
                           remedy="Use Teacher.from_callable for a plain function.")
        inputs = getattr(model, "n_features_in_", None)
        if inputs is None:
            raise BadInput("scikit-learn model", got=f"{name} that is not fitted", expected="a fitted model",
                           remedy="Call its fit method first.")
        if probabilities:
            self._answer, self.output = _probabilities(model, name)
        else:
            self._answer, self.output = _raw_outputs(model, name), "raw"
        known = None if probabilities else getattr(model, "n_outputs_", None)
        asked, outputs = 0, known
        if outputs is None:
            asked, outputs = 1, as_rows(self._answer(np.zeros((1, inputs))), 1).shape[1]
        super().__init__(inputs, outputs, _dtype(model), name, asked=asked)

    def ask(self, x: np.ndarray) -> np.ndarray:
        """The model's predictions."""
        with warnings.catch_warnings():  # models fitted on data frames warn of missing column names
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return as_rows(self._answer(x.astype(self.dtype)), len(x))


def _raw_outputs(model: Any, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """What to call: `predict`, or for classifiers what comes before the probabilities."""
    from sklearn.base import is_classifier
    from sklearn.neural_network import MLPClassifier

    if isinstance(model, MLPClassifier):
        raw = copy.copy(model)
        raw.out_activation_ = "identity"  # predict_proba then gives the raw outputs
        if model.n_outputs_ == 1 and len(model.classes_) == 2:
            return lambda x: raw.predict_proba(x)[:, 1:]  # two classes: (1 - output, output)
        return raw.predict_proba
    if is_classifier(model):
        if hasattr(model, "decision_function"):
            return model.decision_function
        raise BadInput("scikit-learn model", got=f"the classifier {name}", expected="raw outputs",
                       remedy="Labels and probabilities do not show them; MLPClassifier and classifiers with a "
                              "decision_function do.")
    return model.predict


def _probabilities(model: Any, name: str) -> tuple[Callable[[np.ndarray], Any], str | None]:
    """`predict_proba`, and what its answers are where the model says so."""
    if not hasattr(model, "predict_proba"):
        raise BadInput("scikit-learn model", got=f"{name} without predict_proba", expected="a classifier that has it",
                       remedy="Leave out probabilities=True to ask its predict or its raw outputs.")
    output = getattr(model, "out_activation_", None)
    if output == "logistic" and model.n_outputs_ == 1:
        return lambda x: model.predict_proba(x)[:, 1:], output  # two classes: (1 - p, p)
    return model.predict_proba, output if output in ("softmax", "logistic") else None


def _dtype(model: Any) -> type:
    """An MLP computes in the type it was fitted in; others are taken to answer in float64."""
    weights = getattr(model, "coefs_", None)
    return np.float32 if weights and weights[0].dtype == np.float32 else np.float64
