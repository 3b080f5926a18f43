"""Distances between neurons, many at once by matrix products, and exact between copies.

``|u - v|^2 = |u|^2 + |v|^2 - 2 u.v`` cancels where u and v are close: a sum of squares of 1 leaves an error of 1e-8 in
the distance, and copies of a neuron are 1e-16 to 1e-7 apart. Such pairs are few, and are subtracted first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["average_distances", "blocks", "condensed_distances", "near_pairs"]

_ENTRIES = 2**22  # of a block of distances: 32 MiB
_STRIP = 256
_CANCELS = 1e-6  # squared distances below this share of |u|^2 + |v|^2 have lost too many digits


def condensed_distances(vectors: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """Distances of all pairs in the order of SciPy's ``pdist``, ``(neurons * (neurons - 1) / 2,)``.

    Args:
        vectors: ``(neurons, coordinates)``.
        mirrored: v and -v are the same neuron: the smaller one of ``|u - v|`` and ``|u + v|`` counts.

    Example:
        >>> condensed_distances(np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])).round(3).tolist()
        [1.0, 2.236, 2.828]
        >>> condensed_distances(np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]), mirrored=True).tolist()
        [1.0, 1.0, 0.0]
    """
    n = len(vectors)
    found = np.empty(n * (n - 1) // 2)
    place = 0
    for _, block in blocks(vectors, mirrored):
        for row, distances in enumerate(block):
            others = distances[row + 1 :]
            found[place : place + len(others)] = others
            place += len(others)
    return found


def near_pairs(vectors: np.ndarray, height: float, mirrored: bool = False
               ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of distance at most ``height``, block by block: first, second (larger), and their distance."""
    for start, block in blocks(vectors, mirrored):
        first, second = np.nonzero(block <= height)
        later = second > first
        first, second = first[later], second[later]
        yield start + first, start + second, block[first, second]


def average_distances(vectors: np.ndarray, sizes: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """Mean distances between the members of every two groups ``(groups, groups)``; infinite on the diagonal.

    Args:
        vectors: members of the first group, then of the second, and so on.
        sizes: members of each group ``(groups,)``.
        mirrored: see :func:`condensed_distances`.
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    sums = np.zeros((len(sizes), len(sizes)))
    for start, block in blocks(vectors, mirrored):
        rows = group[start : start + len(block)]
        block[:, : len(block)] *= 0.5  # pairs inside the rows come twice
        columns = np.add.reduceat(block, np.maximum(first[rows[0] :] - start, 0), axis=1)
        inside = np.flatnonzero(np.diff(rows, prepend=-1))
        sums[rows[inside], rows[0] :] += np.add.reduceat(columns, inside, axis=0)
    for at in range(0, len(sums), _STRIP):  # sums + sums.T, in place
        strip = slice(at, at + _STRIP)
        sums[strip, at:] += sums[at:, strip].T.copy()
        sums[at:, strip] = sums[strip, at:].T
    sums /= sizes[:, None]
    sums /= sizes[None, :]
    np.fill_diagonal(sums, np.inf)
    return sums


def blocks(vectors: np.ndarray, mirrored: bool) -> Iterator[tuple[int, np.ndarray]]:
    """First row and distances of some rows to these and all later ones; every pair is in a block."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    start = 0
    while start < len(vectors):
        rows = vectors[start : start + max(1, _ENTRIES // (len(vectors) - start))]
        yield start, _block(rows, vectors[start:], squares[start:], mirrored)
        start += len(rows)


def _block(rows: np.ndarray, vectors: np.ndarray, squares: np.ndarray, mirrored: bool) -> np.ndarray:
    """Distances of ``rows``, the first ones of ``vectors``, to all of these."""
    found = rows @ vectors.T
    if mirrored:
        np.abs(found, out=found)
    found *= -2.0
    found += squares
    found += squares[: len(rows), None]
    unsure = found <= _CANCELS * (squares + squares[: len(rows), None])
    np.maximum(found, 0.0, out=found)
    np.sqrt(found, out=found)
    first, second = np.nonzero(unsure)
    step = max(1, _ENTRIES // vectors.shape[1])
    for at in range(0, len(first), step):
        i, j = first[at : at + step], second[at : at + step]
        u, v = vectors[i], vectors[j]
        exact = np.linalg.norm(u - v, axis=1)
        found[i, j] = np.minimum(exact, np.linalg.norm(u + v, axis=1)) if mirrored else exact
    return found
