"""Lattice reduction, for sums of a subset of vectors: sign patterns too many to enumerate.

A 0/1 vector s with M s = t is found as a short vector of a lattice (Lagarias and Odlyzko 1985; with signs around
zero as in Coster et al. 1992, Improved low-density subset sum algorithms). Real numbers of many digits in several
dimensions make the density low, where reduction by LLL (Lenstra, Lenstra and Lovasz 1982) finds it.
"""

from __future__ import annotations

import numpy as np

__all__ = ["lll", "subset_sum"]

_DELTA = 0.99
_WEIGHTS = (1e9, 1e7, 1e5, 1e3)  # of the equations: their inverse is the error they may have
_MOST_STEPS = 200_000


def subset_sum(columns: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """A 0/1 vector ``s`` with ``columns @ s`` close to ``target``; ``None`` where none is found.

    Args:
        columns: the vectors ``(dimensions, count)``.
        target: the sum ``(dimensions,)``.
    """
    count = columns.shape[1]
    unit = float(np.linalg.norm(columns, axis=0).max())
    wanted = 2.0 * target - columns.sum(axis=1)  # of signs: s = (1 + e) / 2
    for weight in _WEIGHTS:
        basis = np.zeros((count + 1, count + 1 + len(target)))
        basis[:, : count + 1] = np.eye(count + 1)
        basis[:count, count + 1 :] = weight * columns.T / unit
        basis[count, count + 1 :] = -weight * wanted / unit
        short = lll(basis)[:, : count + 1]
        short = short[np.all(np.abs(short) == 1, axis=1)]
        found = (1.0 + short[:, :-1] * short[:, -1:]) / 2.0
        if len(found):
            return found[np.argmin(np.linalg.norm(found @ columns.T - target, axis=1))]
    return None


def lll(basis: np.ndarray) -> np.ndarray:
    """A reduced basis of the lattice that the rows of ``basis`` span (independent rows).

    Example:
        >>> reduced = lll(np.array([[1.0, 0.0, 1345.0], [0.0, 1.0, 35.0], [0.0, 0.0, 154.0]]))
        >>> bool(np.linalg.norm(reduced[0]) < 6)
        True
    """
    basis = basis.astype(np.float64).copy()
    rows = len(basis)
    orthogonal, mu, norms = np.zeros_like(basis), np.eye(rows), np.zeros(rows)

    def orthogonalise(k: int) -> None:
        mu[k, :k] = orthogonal[:k] @ basis[k] / norms[:k]
        orthogonal[k] = basis[k] - mu[k, :k] @ orthogonal[:k]
        again = orthogonal[:k] @ orthogonal[k] / norms[:k]  # once more: rounding
        orthogonal[k] -= again @ orthogonal[:k]
        mu[k, :k] += again
        norms[k] = max(float(orthogonal[k] @ orthogonal[k]), 1e-300)

    orthogonalise(0)
    k = 1
    for _ in range(_MOST_STEPS):
        if k == rows:
            break
        orthogonalise(k)
        for j in range(k - 1, -1, -1):
            times = np.rint(mu[k, j])
            if times:
                basis[k] -= times * basis[j]
                mu[k, : j + 1] -= times * mu[j, : j + 1]
        orthogonalise(k)
        if norms[k] >= (_DELTA - mu[k, k - 1] ** 2) * norms[k - 1]:
            k += 1
        else:
            basis[[k - 1, k]] = basis[[k, k - 1]]
            k = max(k - 1, 1)
            orthogonalise(k - 1)
    return basis
