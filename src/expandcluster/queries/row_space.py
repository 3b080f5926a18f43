"""Row space of the first layer: the inputs that matter, found from Jacobians of the teacher.

The Jacobian of ``A sigma(W x + b)`` at any x lies in the row space of W. With fewer neurons than
inputs, its singular values fall to the error of the finite differences at the width of the first
layer, and everything else can be done inside that subspace.

Samples drawn inside any subspace can be imitated exactly there, so the basis need not be exact: it
must have the right dimension and be near enough for fine-tuning in all of the input space to end at
the right network.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.box_search import search_box
from expandcluster.queries.box_slice import where_answers_bend
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.jacobians import EXPLAINED, MARGIN, MORE, MOST_UNEXPLAINED, Differences, rank_of
from expandcluster.queries.probe import Probe, slice_floor
from expandcluster.queries.source import Source

__all__ = ["RowSpace", "find_row_space"]

_FRESH = 48  # inputs that confirm a subspace
_HOPELESS = 0.01  # size of the errors, relative to that of the answers, from which no fall can be seen
_TRIES = 50  # for an input whose answer can be used
_SMALL = 16  # of more inputs than these a subspace is of use only if it leaves half of them out


@dataclasses.dataclass(frozen=True)
class RowSpace:
    """Where the teacher's answers vary.

    Attributes:
        basis: orthonormal columns ``(inputs, rank)`` in the units of the sampler; ``None`` where nothing
            is reduced: a table, given inputs, whole numbers, too noisy a teacher, a budget too small, or
            answers that vary in every direction.
        singular_values: of the stacked Jacobians, ``(min(rows, inputs),)``.
        start: in a box, an input around which the answers vary and bend ``(inputs,)``; ``None`` without a box or basis.
        floor: there, of students in the slice around it; 0 where it is that of the probe.
    """

    basis: np.ndarray | None = None
    singular_values: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    start: np.ndarray | None = None
    floor: float = 0.0

    @property
    def rank(self) -> int | None:
        """Dimension of the subspace, if there is one."""
        return None if self.basis is None else int(self.basis.shape[1])


def find_row_space(source: Source, probe: Probe, seed: int = 0, progress: Progress = silent) -> RowSpace:
    """The row space of the first layer of a teacher that may be asked.

    Whole numbers are never reduced: differences over a step of 1 are no derivatives.
    """
    d = source.teacher.inputs
    if source.given is not None or source.region.integers or d < 3:
        return RowSpace()
    differences = Differences(source, probe)
    if differences.error * np.sqrt(d) > _HOPELESS:
        progress(Event("reduce", f"answers with a relative noise of {probe.noise:.0e} do not show which of {d} "
                       "directions matter: nothing is reduced", {}))
        return RowSpace()
    search = _search_box if source.region.bounded else _search
    found = search(differences, np.random.default_rng([seed, 5]))
    if found.start is not None:
        source.keep_to(found.basis, found.start)
        found = dataclasses.replace(found, floor=slice_floor(source, probe))
    if found.rank is not None:
        progress(Event("reduce", f"the answers vary in {found.rank} of {d} directions", {"rank": found.rank}))
    return found


def _somewhere(source: Source, rng: np.random.Generator) -> np.ndarray | None:
    """An input whose answer can be used."""
    if source.link.kind == "raw":
        return source.sampler.draw(rng, 1)[0]
    for _ in range(_TRIES):
        x = source.region.nearest(source.sampler.draw(rng, 1))
        if not source.available:
            break
        if len(source.usable(x)[0]):
            return x[0]
    return None


def _most(inputs: int) -> int:
    """The largest dimension of a subspace that is of use."""
    return inputs - 1 if inputs <= _SMALL else inputs // 2


def _search_box(differences: Differences, rng: np.random.Generator) -> RowSpace:
    basis, values, points = search_box(differences, rng, _most(differences.source.teacher.inputs))
    if basis is None:
        return RowSpace(None, values)
    return RowSpace(basis, values, where_answers_bend(differences, basis, points))


def _search(differences: Differences, rng: np.random.Generator) -> RowSpace:
    """More Jacobians until their singular values show the rank and fresh answers confirm it."""
    source, d = differences.source, differences.source.teacher.inputs
    most = _most(d)
    rows, values, least = np.zeros((0, d)), np.zeros(0), 1
    suspects: list[np.ndarray] = []  # where a neuron may be active that was silent so far
    for _ in range(2 * most + 2 * MORE):
        at = suspects.pop() if suspects else _somewhere(source, rng)
        if at is None or len(rows) >= 2 * most + 2 * MORE or source.available < 2 * differences.queries:
            break
        rows = np.concatenate([rows, differences.jacobian(at)])
        if not len(rows) or suspects:
            continue
        values, basis = np.linalg.svd(rows)[1:]
        error = differences.error * differences.spread * (np.sqrt(d) + np.sqrt(len(rows)))
        rank = rank_of(values, error, least)
        if rank is None or len(rows) < rank + MORE:
            if len(rows) >= most + MORE and (rank is None or rank > most):
                break
            continue
        if source.available < 2 * _FRESH:  # a rank that nothing confirms is none
            break
        unexplained = _unexplained(source, basis[:rank].T, rng, error / values[rank - 1])
        if unexplained is None:
            return RowSpace(basis[:rank].T, values) if rank <= most else RowSpace(None, values)
        suspects, least = list(unexplained), rank + 1
    return RowSpace(None, values)


def _unexplained(source: Source, basis: np.ndarray, rng: np.random.Generator, error: float) -> np.ndarray | None:
    """A fresh input whose answer changes when what lies outside the subspace is taken away.

    A third of the inputs lie further out, where neurons are active that are silent elsewhere.

    Args:
        source: whom to ask.
        basis: orthonormal columns ``(inputs, rank)`` in the units of the sampler.
        rng: draws the inputs.
        error: of the subspace, that of its least certain direction.

    Returns:
        The input without and with what lies outside ``(2, inputs)``: a neuron may be active at one of both only;
        ``None`` if there is no such input.
    """
    x = source.widened(source.sampler.draw(rng, _FRESH), 3, source.reach)
    start = source.sampler.center
    slice_ = Coordinates(start, source.sampler.unit, basis)
    projected = slice_.outside(slice_.inside(x)) - start
    room = np.minimum(1.0, source.region.reach(start, projected))[:, None]  # projections may leave a box
    points = source.region.nearest(np.concatenate([start + room * projected, start + room * (x - start)]))
    inside, outside = np.split(source.ask(points), 2)
    good = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=1)
    if not good.any():
        return None
    pairs, inside, outside = points.reshape(2, _FRESH, -1)[:, good], inside[good], outside[good]
    spread = np.sqrt(np.mean((outside - outside.mean(axis=0)) ** 2))
    wrong = np.sqrt(np.mean((inside - outside) ** 2, axis=1))
    worst = int(np.argmax(wrong))
    tolerance = min(max(EXPLAINED, MARGIN * error), MOST_UNEXPLAINED)
    return pairs[:, worst] if wrong[worst] > tolerance * spread else None
