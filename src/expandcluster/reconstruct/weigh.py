"""Weigh the errors of lifted weights against answers outside the slice.

All steps from one base point share the errors of its preactivations and of its own answers: these move the weights of
all inputs alike, which shows little in any single weight, and much in the answers to bright and dark images. Given a
variance for each weight, answers to a few hundred inputs in the whole box find what the weights have in common.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

from expandcluster.expand.population import Samples
from expandcluster.networks import Network

__all__ = ["weigh"]

_ROUNDS = 3
_JITTER = 1e-10  # of the mean diagonal, for a positive definite matrix


def weigh(network: Network, bars: np.ndarray, samples: Samples, center: np.ndarray, noise: float,
          sensitivities: Callable[[np.ndarray], np.ndarray]) -> Network:
    """The most likely weights of the first layer, given their errors and more answers: Gauss-Newton steps.

    With independent normal errors of variance S the mean of the weights moves by ``S J' (J S J' + noise^2)^-1 r``
    (J: derivatives of the answers by the weights, r: what the answers differ by). Preactivations at the center of the
    slice, and the layers above, stay as they are.

    Args:
        network: on the teacher's inputs.
        bars: standard deviation of each first weight ``(hidden, inputs)``; those that are NaN stay as they are.
        samples: inputs outside the slice and answers.
        center: of the slice ``(inputs,)``.
        noise: standard deviation of an answer's error.
        sensitivities: derivatives ``(samples, outputs, hidden)`` of the outputs by the first preactivations.
    """
    first, bias = network.weights[0], network.biases[0]
    pinned = first @ center + bias
    variance = np.nan_to_num(bars) ** 2
    prior, x = first.copy(), samples.x - center
    like = np.stack([x @ (one[:, None] * x.T) for one in variance])  # (hidden, samples, samples)
    best, least = network, np.inf
    for round_ in range(_ROUNDS + 1):
        residual = samples.y - network(samples.x)
        misfit = float(np.sum(residual**2)) / noise**2
        apart = np.where(variance > 0, (first - prior) ** 2 / np.where(variance > 0, variance, 1.0), 0.0)
        if misfit + apart.sum() < least:
            best, least = network, misfit + float(apart.sum())
        if round_ == _ROUNDS:
            break
        slopes = sensitivities(samples.x @ first.T + network.biases[0])
        count, outputs = residual.shape
        kernel = np.einsum("noj,mqj,jnm->nomq", slopes, slopes, like, optimize=True).reshape(count * outputs, -1)
        kernel[np.diag_indices(len(kernel))] += noise**2 + _JITTER * np.trace(kernel) / len(kernel)
        target = residual + np.einsum("noj,nj->no", slopes, x @ (first - prior).T)
        dual = scipy.linalg.solve(kernel, target.reshape(-1), assume_a="pos").reshape(count, outputs)
        first = prior + variance * (np.einsum("no,noj->jn", dual, slopes) @ x)
        network = Network((first, *network.weights[1:]), (pinned - first @ center, *network.biases[1:]),
                          network.activation)
    return best
