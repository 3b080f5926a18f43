"""Smooth neurons of the right direction at a wrong scale, put where they belong.

A neuron that bends little for most inputs is imitated by one of another scale and bias along the same direction: a small
sharp one bends as much as a large faint one. Training does not get from the one to the other. All scales and biases
along a neuron's direction are compared by the best outgoing weights of all neurons.
"""

from __future__ import annotations

import numpy as np

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct.output_layer import fit_outputs

__all__ = ["rescaled"]

_ROWS = 4000  # samples on which they are compared
_SCALES = np.geomspace(0.1, 10.0, 21)  # spreads of the preactivation
_KINKS = np.linspace(-6.0, 6.0, 25)  # its mean, in units of the activation's or of its spread
_WORTH = 0.8  # of the loss may be left by a move that helps


def rescaled(network: Network, samples: Samples) -> Network | None:
    """The network with the one neuron moved along its direction that lowers the loss most; ``None`` where none helps.

    Args:
        network: one hidden layer of a smooth activation, at a minimum.
        samples: on which it is one.
    """
    x, y = (a[:: max(1, len(samples.x) // _ROWS)] for a in (samples.x, samples.y))
    hidden = np.concatenate([network.hidden(x, 1), np.ones((len(x), 1))], axis=1)
    z = x @ network.weights[0].T + network.biases[0]
    center, spread = z.mean(axis=0), z.std(axis=0)
    before = float(np.sum((y - hidden @ np.linalg.lstsq(hidden, y, rcond=None)[0]) ** 2))
    best = (_WORTH * before, -1, 0.0, 0.0)
    means = np.concatenate([(_SCALES[:, None] * _KINKS).ravel(), np.tile(_KINKS, len(_SCALES))])
    scales = np.concatenate([np.repeat(_SCALES, len(_KINKS)), np.repeat(_SCALES, len(_KINKS))])
    for neuron in np.flatnonzero(spread > 0):
        others = np.linalg.qr(np.delete(hidden, neuron, axis=1))[0]
        rest = y - others @ (others.T @ y)
        along = (z[:, neuron] - center[neuron]) / spread[neuron]
        new, _ = network.activation.on_host(along[:, None] * scales + means)
        size = np.sum(new**2, axis=0)
        new = new - others @ (others.T @ new)
        own = np.sum(new**2, axis=0)
        gain = np.where(own > 1e-12 * size, np.sum((rest.T @ new) ** 2, axis=0) / np.maximum(own, 1e-300), 0.0)
        place = int(np.argmax(gain))
        if (left := float(np.sum(rest**2) - gain[place])) < best[0]:
            best = (left, neuron, scales[place], means[place])
    left, neuron, scale, mean = best
    if neuron < 0:
        return None
    first, bias = network.weights[0].copy(), network.biases[0].copy()
    first[neuron] *= scale / spread[neuron]
    bias[neuron] = mean + (bias[neuron] - center[neuron]) * scale / spread[neuron]
    outputs, _ = fit_outputs(np.concatenate([first, bias[:, None]], axis=1), network.activation, samples.x, samples.y,
                             linear=False)
    return Network((first, outputs[:, :-1]), (bias, outputs[:, -1]), network.activation)
