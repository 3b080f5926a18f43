"""Moves inside a box whose image under a few directions is prescribed.

From a corner of a box, as a black image is, half of all directions lead outside. But with many more
inputs than directions there are moves into the box of any image: those inputs that are free to move
make up for those that are not.
"""

from __future__ import annotations

import numpy as np

__all__ = ["move_within"]

_ROUNDS, _LOOKS = 20, 3
_ENOUGH = 1e-12  # of the largest move
_RIDGE = 1e-10  # of the mean diagonal: where fewer inputs are free than there are directions


def move_within(low: np.ndarray, high: np.ndarray, wanted: np.ndarray, basis: np.ndarray, image: np.ndarray
                ) -> np.ndarray:
    """Moves near to the wanted ones that stay in the box and whose image is the one given, as nearly as they can.

    In turn, moves are cut off at the bounds, and those inputs that are not held by a bound are moved by as
    little as brings back the image.

    Args:
        low: how far each input may go down ``(samples, inputs)``, at most 0.
        high: how far it may go up ``(samples, inputs)``, at least 0.
        wanted: moves ``(samples, inputs)``.
        basis: orthonormal columns ``(inputs, rank)``.
        image: ``move @ basis`` that is asked for ``(samples, rank)``.

    Returns:
        Moves ``(samples, inputs)`` between ``low`` and ``high``.

    Example:
        >>> low, wanted = np.zeros((1, 3)), np.array([[1.0, -1.0, 0.5]])
        >>> move_within(low, low + 1, wanted, basis=np.eye(3, 1), image=np.array([[0.25]]))
        array([[0.25, 0.  , 0.5 ]])
    """
    moves = np.clip(wanted, low, high)
    for move, least, most, aim in zip(moves, low, high, image, strict=True):
        for _ in range(_ROUNDS):
            missing = aim - move @ basis
            if np.abs(missing).max(initial=0.0) <= _ENOUGH * np.abs(move).max():
                break
            change = basis @ missing
            for _ in range(_LOOKS):  # which inputs are free depends on which way they are to go
                free = ~((move <= least) & (change < 0)) & ~((move >= most) & (change > 0))
                part = np.where(free[:, None], basis, 0.0)
                gram = part.T @ part
                gram += (_RIDGE * np.trace(gram) / len(gram) or 1.0) * np.eye(len(gram))
                change = basis @ np.linalg.solve(gram, missing)
            move[:] = np.clip(move + change, least, most)
    return moves
