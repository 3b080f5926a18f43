"""Networks from and to scikit-learn's multilayer perceptrons."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.networks import Network

__all__ = ["network_from_sklearn", "network_to_sklearn"]

_NAMES = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "identity": "identity"}


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


def network_to_sklearn(network: Network, dtype: type = np.float64, output: str = "raw",
                       classes: Sequence[Any] | None = None) -> Any:
    """A fitted MLPRegressor; with an output function an MLPClassifier.

    Args:
        network: its activation must be relu, tanh, sigmoid or identity.
        dtype: of its weights, ``numpy.float64`` or ``numpy.float32``.
        output: ``"raw"``: an MLPRegressor. ``"softmax"``: an MLPClassifier of so many classes; of two, its one output
            is the difference of the network's two. ``"logistic"``: of one output, an MLPClassifier of two classes;
            of several, one of several labels for each sample.
        classes: names of the classes in the order of the outputs, sorted; 0, 1, ... where they are not given.

    Raises:
        BadInput: scikit-learn has no such activation, or the classes do not fit.
    """
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    network = _one_output_for_two_classes(network) if output == "softmax" else network
    activation = "identity" if len(network.weights) == 1 else _NAMES.get(network.activation.name)
    if activation is None:
        raise BadInput("activation", got=network.activation.name, expected=", ".join(_NAMES),
                       remedy="scikit-learn has only these; use PyTorch, equinox or an ONNX file.")
    kind = MLPRegressor if output == "raw" else MLPClassifier
    model = kind(hidden_layer_sizes=network.hidden_sizes, activation=activation, max_iter=1)
    y = _targets(network.sizes[-1], output, classes)
    with warnings.catch_warnings():  # one step on made-up data sets everything that this version of scikit-learn needs
        warnings.simplefilter("ignore")
        model.fit(np.zeros((len(y), network.sizes[0]), dtype), y)
    for own, arrays in ((model.coefs_, [w.T for w in network.weights]), (model.intercepts_, network.biases)):
        for place, array in enumerate(arrays):
            own[place] = np.array(array, dtype, order="C")
    del model._optimizer  # made for the weights that were replaced; partial_fit makes another
    model.set_params(max_iter=MLPRegressor().max_iter)
    model.n_iter_, model.t_, model.loss_, model.best_loss_, model.loss_curve_ = 0, 0, np.nan, np.inf, []
    return model


def _one_output_for_two_classes(network: Network) -> Network:
    """scikit-learn's form of two classes: the logistic function of z2 - z1 is the softmax of (z1, z2)."""
    if network.sizes[-1] != 2:
        return network
    w, b = network.weights[-1], network.biases[-1]
    return Network((*network.weights[:-1], w[1:] - w[:1]), (*network.biases[:-1], b[1:] - b[:1]), network.activation)


def _targets(outputs: int, output: str, classes: Sequence[Any] | None) -> np.ndarray:
    """Made-up answers from which a model learns how many outputs and which classes it has."""
    several_labels = output == "logistic" and outputs > 1
    if output == "raw" or several_labels:
        if classes is not None:
            raise BadInput("classes", got=repr(classes), expected="none: these outputs are no classes of one sample",
                           remedy="Leave classes out, or say output='softmax' or 'logistic' where they are classes.")
        y = np.concatenate([np.zeros((1, outputs), int), np.ones((1, outputs), int)])
        return y if several_labels else y.astype(float) if outputs > 1 else y[:, 0].astype(float)
    names, count = np.arange(max(outputs, 2)) if classes is None else np.asarray(classes), max(outputs, 2)
    if names.shape != (count,) or list(names) != sorted(set(names)):
        raise BadInput("classes", got=repr(classes), expected=f"{count} different names in sorted order",
                       remedy="scikit-learn sorts its classes: reorder the network's outputs to match.")
    return names
