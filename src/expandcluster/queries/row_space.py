"""Row space of the first layer: the inputs that matter, found from Jacobians of the teacher.

The Jacobian of ``A sigma(W x + b)`` at any x lies in the row space of W. With fewer neurons than
inputs, its singular values fall to the error of the finite differences at the width of the first
layer, and everything else can be done inside that subspace.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source

__all__ = ["RowSpace", "find_row_space"]

_FALL = 1e3  # singular values must fall by this factor at the rank
_FRESH = 48  # inputs that confirm a subspace


@dataclasses.dataclass(frozen=True)
class RowSpace:
    """Where the teacher's answers vary.

    Attributes:
        basis: orthonormal columns ``(inputs, rank)``; ``None`` where nothing is reduced: a table,
            given inputs, too noisy a teacher, a budget too small, or answers that vary in every direction.
        singular_values: of the stacked Jacobians, ``(min(rows, inputs),)``.
    """

    basis: np.ndarray | None = None
    singular_values: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))

    @property
    def rank(self) -> int | None:
        """Dimension of the subspace, if there is one."""
        return None if self.basis is None else int(self.basis.shape[1])


def find_row_space(source: Source, probe: Probe, seed: int = 0, progress: Progress = silent) -> RowSpace:
    """The row space of the first layer of a teacher that may be asked."""
    found = _search(source, probe, np.random.default_rng([seed, 5]))
    if found.rank is not None:
        progress(Event("reduce", f"the answers vary in {found.rank} of {source.teacher.inputs} directions",
                       {"rank": found.rank}))
    return found


def _search(source: Source, probe: Probe, rng: np.random.Generator) -> RowSpace:
    """More Jacobians until their singular values show the rank and fresh answers confirm it."""
    d, outputs = source.teacher.inputs, source.teacher.outputs
    if not source.chosen or source.inputs is not None or probe.changing or d < 3:
        return RowSpace()
    scale = source.options.scale
    step = max(probe.noise, 1e-16) ** (1.0 / 3.0) * scale
    rows, values = np.zeros((0, d)), np.zeros(0)
    at = rng.normal(size=d) * scale
    tried = 0  # points near which the answers are saturated give no Jacobian
    while len(rows) < 2 * d + 4 and source.available >= 4 * d and tried < 4 * d + 8:
        tried += 1
        rows = np.concatenate([rows, _jacobian(source, at, step)])
        at = rng.normal(size=d) * scale
        if len(rows) < max(8, 2 * outputs):
            continue
        values, basis = np.linalg.svd(rows)[1:]
        rank = _rank(values, probe.noise / step * scale)
        if rank is not None and len(rows) >= 2 * rank + 4:
            unexplained = _unexplained(source, probe, basis[:rank].T, rng)
            if unexplained is None:
                return RowSpace(basis[:rank].T, values)
            at = unexplained  # a neuron that was silent so far is active here
    return RowSpace(None, values)


def _jacobian(source: Source, x: np.ndarray, step: float) -> np.ndarray:
    """Central differences at one point, ``(outputs, inputs)``, from two queries for each input.

    No rows where an answer cannot be used.
    """
    shifts = step * np.eye(len(x))
    points = source.rounded(np.concatenate([x + shifts, x - shifts]))
    width = np.diagonal(points[: len(x)] - points[len(x) :])
    y = source.ask(points)
    rows = ((y[: len(x)] - y[len(x) :]) / width[:, None]).T
    return rows[np.isfinite(rows).all(axis=1)]


def _rank(values: np.ndarray, error: float) -> int | None:
    """Index of the sharpest fall down to the error of the differences; ``None`` if there is none."""
    if values[0] == 0:  # answers that do not vary near any point, as those of a tree
        return None
    relative = np.maximum(values / values[0], 1e-300)
    falls = relative[:-1] / relative[1:]
    low = relative[1:] <= max(1e3 * error, 1e-7)
    if not low.any():
        return None
    best = int(np.argmax(np.where(low, falls, 0.0)))
    return best + 1 if falls[best] >= _FALL else None


def _unexplained(source: Source, probe: Probe, basis: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A fresh input whose answer changes when what lies outside the subspace is taken away; None if there is none.

    A third of the inputs lie three times as far out, where neurons are active that are silent elsewhere.
    """
    x = rng.normal(size=(_FRESH, len(basis))) * source.options.scale
    x[::3] *= 3.0
    inside, outside = source.ask(source.rounded(x @ basis @ basis.T)), source.ask(source.rounded(x))
    good = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=1)
    if not good.any():
        return None
    x, inside, outside = x[good], inside[good], outside[good]
    spread = np.sqrt(np.mean((outside - outside.mean(axis=0)) ** 2))
    error = np.sqrt(np.mean((inside - outside) ** 2, axis=1))
    worst = int(np.argmax(error))
    return x[worst] if error[worst] > max(1e-5, 1e4 * probe.noise) * spread else None
