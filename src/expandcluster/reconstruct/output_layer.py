"""The output layer by linear least squares, with the signs of the last hidden layer."""

from __future__ import annotations

import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.levenberg_marquardt import train_one
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.options import LMOptions
from expandcluster.reconstruct.signs import wrong_signs

__all__ = ["fit_output_layer", "fit_outputs", "refined", "with_outputs_fitted"]

_NEAR = 1e-4  # relative loss, linear part included, from which neurons are refined before their signs are told
_LINEAR = 40.0  # preactivation from which softplus, GELU and SiLU are linear to rounding
_REFINE = LMOptions(steps=60, patience=15)


def fit_output_layer(incoming: np.ndarray, activation: Activation, features: np.ndarray, y: np.ndarray,
                     floor: float = 1e-26) -> Network:
    """The shallow network on ``features`` with the given hidden neurons.

    Args:
        incoming: weights and bias of the hidden neurons, ``(hidden, fan_in + 1)``; signs may be wrong.
        activation: of the hidden layer.
        features: its inputs, ``(samples, fan_in)``.
        y: answers ``(samples, outputs)``.
        floor: relative loss at which neurons are as good as the answers.
    """
    slope = activation.symmetry.slope
    if activation.symmetry.sign != 0 and slope != 0.0:
        outputs, linear = fit_outputs(incoming, activation, features, y, linear=True)
        if (better := refined(incoming, outputs, linear, activation, Samples(features, y, floor))) is not None:
            incoming = better
            outputs, linear = fit_outputs(incoming, activation, features, y, linear=True)
        wrong = wrong_signs(linear, outputs[:, :-1], incoming[:, :-1], slope)
        incoming = np.where(wrong[:, None], -incoming, incoming)
    outputs, _ = fit_outputs(incoming, activation, features, y, linear=False)
    return Network((incoming[:, :-1], outputs[:, :-1]), (incoming[:, -1], outputs[:, -1]), activation)


def refined(incoming: np.ndarray, outputs: np.ndarray, linear: np.ndarray, activation: Activation,
            samples: Samples) -> np.ndarray | None:
    """The neurons after training together with the linear part; ``None`` where that is not needed or no better.

    One neuron that few samples see well blurs the linear part, and with it the signs of all. For each output
    the linear part is carried by a neuron so far from its kink that it is linear at every sample.
    """
    size = np.linalg.norm(linear, axis=1)
    rows = linear / np.where(size > 0, size, 1.0)[:, None]
    far = _LINEAR + 2.0 * np.abs(samples.x @ rows.T).max(axis=0)
    hidden = np.concatenate([incoming, np.concatenate([rows, far[:, None]], axis=1)])
    network = Network((hidden[:, :-1], np.concatenate([outputs[:, :-1], np.diag(size)], axis=1)),
                      (hidden[:, -1], outputs[:, -1] - size * far), activation)
    before = samples.relative_loss(network(samples.x))
    if not samples.floor < before <= _NEAR:
        return None
    found, loss, _ = train_one(network, samples, _REFINE)
    if not loss < before:
        return None
    return np.concatenate([found.weights[0], found.biases[0][:, None]], axis=1)[: len(incoming)]


def with_outputs_fitted(network: Network, samples: Samples, *, linear: bool) -> tuple[Network, np.ndarray]:
    """The shallow network with the output layer that fits best, beside a ``linear`` map or alone; and the map."""
    incoming = np.concatenate([network.weights[0], network.biases[0][:, None]], axis=1)
    outputs, left = fit_outputs(incoming, network.activation, samples.x, samples.y, linear=linear)
    return Network((network.weights[0], outputs[:, :-1]), (network.biases[0], outputs[:, -1]), network.activation), left


def fit_outputs(incoming: np.ndarray, activation: Activation, features: np.ndarray, y: np.ndarray, *,
                linear: bool, scale: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias ``(outputs, hidden + 1)``, and the linear part ``(outputs, fan_in)``.

    Errors of samples count as many times as ``scale (samples,)`` says.
    """
    hidden = Network((incoming[:, :-1], np.eye(len(incoming))), (incoming[:, -1], np.zeros(len(incoming))),
                     activation)(features)
    parts = [hidden, np.ones((len(hidden), 1)), *([features] if linear else [])]
    matrix = np.concatenate(parts, axis=1)
    if scale is not None:
        matrix, y = scale[:, None] * matrix, scale[:, None] * y
    solution = np.linalg.lstsq(matrix, y, rcond=1e-13)[0].T
    return solution[:, : len(incoming) + 1], solution[:, len(incoming) + 1 :]
