"""Exact signs for activations whose reflection leaves a linear map behind.

A neuron with the wrong sign differs from the right one by the affine map
``a (slope (w x + b) + constant)`` up to sign (see activations.py). With a set S of wrong signs the
best fit of the merged neurons plus an affine map has exactly the linear part
``slope * sum_{i in S} a_i w_i``: solve for the 0/1 vector S, flip, and no linear part is left.
"""

from __future__ import annotations

import numpy as np

from expandcluster.reconstruct.lattice import subset_sum

__all__ = ["wrong_signs"]

_MOST_ENUMERATED, _MOST_REDUCED = 18, 80  # neurons whose signs are tried one by one, or found by lattice reduction


def wrong_signs(linear: np.ndarray, outgoing: np.ndarray, incoming: np.ndarray, slope: float) -> np.ndarray:
    """Which neurons have the wrong sign.

    Args:
        linear: linear part of the fit, ``(outputs, inputs)``.
        outgoing: outgoing weights of the fit, ``(outputs, neurons)``.
        incoming: incoming weights, ``(neurons, inputs)``.
        slope: slope of the reflection.

    Returns:
        A boolean for each neuron; all False where no set of flips explains the linear part.
    """
    neurons = outgoing.shape[1]
    maps = np.einsum("oi,id->odi", outgoing, incoming).reshape(-1, neurons) * abs(slope)
    target = linear.reshape(-1)
    size = np.linalg.norm(maps, axis=0).max(initial=0.0)
    if size == 0 or np.linalg.norm(target) <= 1e-7 * size:
        return np.zeros(neurons, bool)
    candidates = [np.rint(np.linalg.lstsq(maps, side * target, rcond=1e-10)[0]) for side in (1.0, -1.0)]
    open_ = np.linalg.matrix_rank(maps, tol=1e-8 * size) < neurons  # more signs than equations
    if open_ and neurons <= _MOST_ENUMERATED:
        every = ((np.arange(2**neurons)[:, None] >> np.arange(neurons)) & 1).astype(float)
        sums = every @ maps.T
        candidates += [every[np.argmin(np.linalg.norm(sums - side * target, axis=1))] for side in (1.0, -1.0)]
    elif open_ and neurons <= _MOST_REDUCED:
        candidates += [found for side in (1.0, -1.0) if (found := subset_sum(maps, side * target)) is not None]
    errors = [min(np.linalg.norm(maps @ c - target), np.linalg.norm(maps @ c + target))
              if set(np.unique(c)) <= {0.0, 1.0} else np.inf for c in candidates]
    best = int(np.argmin(np.array(errors)))
    if errors[best] > 1e-3 * np.linalg.norm(target):
        return np.zeros(neurons, bool)
    return candidates[best].astype(bool)
