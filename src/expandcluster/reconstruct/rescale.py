"""Smooth neurons of the right direction at a wrong scale, put where they belong.

A neuron that bends little for most inputs is imitated by one of another scale and bias along the same direction: a
sharp bend that counts little is much like a faint one that counts more. Training does not get from one to the other.
Scales and biases along a neuron's direction are compared by what is left with the best output layer for each.
"""

from __future__ import annotations

import numpy as np

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct.output_layer import with_outputs_fitted

__all__ = ["rescaled"]

_ROWS = 4000  # samples on which they are compared
_SCALES = np.geomspace(0.1, 10.0, 21)  # spreads of the preactivation
_MEANS = np.linspace(-6.0, 6.0, 25)  # its means: as they are, and in units of its spread
_NONE = 1e-12  # of a hidden unit's square is left by the others, where it is one of them
_WORTH = 0.8  # of the loss may be left by a move that helps


def rescaled(network: Network, samples: Samples) -> Network | None:
    """The network with that neuron moved along its direction that lowers the loss most; ``None`` where none helps.

    Args:
        network: one hidden layer of a smooth activation, at a minimum.
        samples: on which it is one.
    """
    x, y = (a[:: max(1, len(samples.x) // _ROWS)] for a in (samples.x, samples.y))
    hidden = np.concatenate([network.hidden(x, 1), np.ones((len(x), 1))], axis=1)
    z = x @ network.weights[0].T + network.biases[0]
    center, spread = z.mean(axis=0), z.std(axis=0)
    scales = np.repeat(_SCALES, 2 * len(_MEANS))
    means = np.concatenate([np.concatenate([_MEANS, scale * _MEANS]) for scale in _SCALES])
    found: list[tuple[float, int, int]] = []
    for neuron in np.flatnonzero(spread > 0).tolist():
        units = network.activation.on_host(((z[:, neuron] - center[neuron]) / spread[neuron])[:, None] * scales + means)
        left = _left(np.delete(hidden, neuron, axis=1), units[0], y)
        found.append((float(left.min()), neuron, int(np.argmin(left))))
    before = float(np.sum((y - hidden @ np.linalg.lstsq(hidden, y, rcond=None)[0]) ** 2))
    best, neuron, place = min(found, default=(np.inf, 0, 0))
    if not best <= _WORTH * before:
        return None
    first, bias = network.weights[0].copy(), network.biases[0].copy()
    factor = scales[place] / spread[neuron]
    first[neuron] *= factor
    bias[neuron] = means[place] + factor * (bias[neuron] - center[neuron])
    moved = Network((first, network.weights[1]), (bias, network.biases[1]), network.activation)
    return with_outputs_fitted(moved, samples, linear=False)[0]


def _left(others: np.ndarray, units: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squares ``(candidates,)`` that are left of y by the others and one of the hidden ``units (samples, candidates)``.

    By least squares: each unit takes away what of it the others do not make up.
    """
    basis = np.linalg.qr(others)[0]
    rest, new = (a - basis @ (basis.T @ a) for a in (y, units))
    own = np.sum(new**2, axis=0)
    own = np.where(own > _NONE * np.sum(units**2, axis=0), own, np.inf)
    return np.asarray(np.sum(rest**2) - np.sum((rest.T @ new) ** 2, axis=0) / own)
