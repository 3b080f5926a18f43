"""Networks from scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from expandcluster.errors import BadInput
from expandcluster.networks import Network

__all__ = ["network_from_sklearn"]


def network_from_sklearn(model: Any) -> Network:
    """The network of a fitted MLPRegressor, or of an MLPClassifier up to its raw outputs.

    Raises:
        BadInput: the model is no fitted multilayer perceptron.
    """
    if not (hasattr(model, "coefs_") and hasattr(model, "intercepts_")):
        raise BadInput("scikit-learn model", got=type(model).__name__,
                       expected="a fitted MLPRegressor or MLPClassifier",
                       remedy="Call its fit method first.")
    if not hasattr(model, "classes_") and getattr(model, "out_activation_", "identity") != "identity":
        raise BadInput("scikit-learn model", got=f"outputs passed through {model.out_activation_}",
                       expected="an MLPRegressor of squared error", remedy="A network's last layer is linear here.")
    return Network(tuple(w.T for w in model.coefs_), tuple(model.intercepts_), model.activation)
