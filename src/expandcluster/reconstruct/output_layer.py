"""The output layer by linear least squares, with the signs of the last hidden layer."""

from __future__ import annotations

import numpy as np

from expandcluster.activations import Activation
from expandcluster.networks import Network
from expandcluster.reconstruct.signs import wrong_signs

__all__ = ["fit_output_layer"]


def fit_output_layer(incoming: np.ndarray, activation: Activation, features: np.ndarray, y: np.ndarray) -> Network:
    """The shallow network on ``features`` with the given hidden neurons.

    Args:
        incoming: weights and bias of the hidden neurons, ``(hidden, fan_in + 1)``; signs may be wrong.
        activation: of the hidden layer.
        features: its inputs, ``(samples, fan_in)``.
        y: answers ``(samples, outputs)``.
    """
    slope = activation.symmetry.slope
    if activation.symmetry.sign != 0 and slope != 0.0:
        outputs, linear = _fit(incoming, activation, features, y, linear=True)
        wrong = wrong_signs(linear, outputs[:, :-1], incoming[:, :-1], slope)
        incoming = np.where(wrong[:, None], -incoming, incoming)
    outputs, _ = _fit(incoming, activation, features, y, linear=False)
    return Network((incoming[:, :-1], outputs[:, :-1]), (incoming[:, -1], outputs[:, -1]), activation)


def _fit(incoming: np.ndarray, activation: Activation, features: np.ndarray, y: np.ndarray, *,
         linear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias ``(outputs, hidden + 1)``, and the linear part ``(outputs, fan_in)``."""
    hidden = Network((incoming[:, :-1], np.eye(len(incoming))), (incoming[:, -1], np.zeros(len(incoming))),
                     activation)(features)
    parts = [hidden, np.ones((len(hidden), 1)), *([features] if linear else [])]
    solution = np.linalg.lstsq(np.concatenate(parts, axis=1), y, rcond=1e-13)[0].T
    return solution[:, : len(incoming) + 1], solution[:, len(incoming) + 1 :]
