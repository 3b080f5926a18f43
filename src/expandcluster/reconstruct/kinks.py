"""Neurons that are off for single inputs that should switch them on: no slope tells training so.

Where such an input is one of few that tell of a weight, training stops with all of its answer's error left. The error
lies along the neuron's outgoing weights and says what its preactivation should be.
"""

from __future__ import annotations

import numpy as np

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.queries.coordinates import Coordinates

__all__ = ["switched_on"]

_LARGE = 100.0  # times the median error, are errors of single inputs
_ALONG = 0.8  # cosine between an error and outgoing weights, at least
_RIDGE = 1e-9  # of the mean eigenvalue


def switched_on(network: Network, samples: Samples) -> Network | None:
    """The network with neurons on where single large errors say so; ``None`` where none does.

    Each neuron's incoming weights are solved for by least squares: as they are for inputs that it is on for, and what
    the error says for those that should switch it on.

    Args:
        network: one hidden layer of a kinked activation, nearly right but for single inputs.
        samples: ``(samples, inputs)`` and ``(samples, outputs)``.
    """
    low = network.activation.negative_slope
    if low is None or len(network.weights) != 2:
        return None
    rest = samples.y - network(samples.x)
    size = np.linalg.norm(rest, axis=1)
    large = size > _LARGE * np.median(size)
    length = np.linalg.norm(network.weights[1], axis=0)
    z = samples.x @ network.weights[0].T + network.biases[0]
    cosine = rest @ (network.weights[1] / np.where(length > 0, length, 1.0)) / np.where(size > 0, size, 1.0)[:, None]
    pairs = (large & (cosine.max(axis=1) >= _ALONG))[:, None] & (cosine == cosine.max(axis=1)[:, None]) & (z <= 0)
    if not pairs.any():
        return None
    units = Coordinates.by_spread(samples.x)
    weights, biases = network.weights[0].copy(), network.biases[0].copy()
    for j in np.flatnonzero(pairs.any(axis=0)):
        on = (z[:, j] > 0) | pairs[:, j]
        inputs = np.concatenate([units.inside(samples.x[on]), np.ones((np.count_nonzero(on), 1))], axis=1)
        change = np.where(pairs[:, j], size * cosine[:, j] / length[j] - (1.0 - low) * z[:, j], 0.0)[on]
        gram = inputs.T @ inputs
        gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
        move = np.linalg.solve(gram, inputs.T @ change)
        weights[j] += move[:-1] / units.unit
        biases[j] += move[-1]
    return Network((weights, network.weights[1]), (biases, network.biases[1]), network.activation)
