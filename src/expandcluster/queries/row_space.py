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
from expandcluster.queries.box_moves import move_within
from expandcluster.queries.box_slice import where_answers_bend
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.noise import type_epsilon
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source

__all__ = ["RowSpace", "find_row_space"]

_FRESH = 48  # inputs that confirm a subspace
_PRECISE = 1e-12  # relative noise below which one-sided differences, half as dear, are exact enough
_FALL, _CLEAN_FALL = 30.0, 1e3  # of singular values at the rank: down to what the errors explain, or in any case
_MARGIN = 10.0  # the errors of singular values are known to this factor
_HOPELESS = 0.01  # size of the errors, relative to that of the answers, from which no fall can be seen
_TRIES = 50  # for an input whose answer can be used
_NEAR = 0.1  # of a move: what the slope at its ends is seen from
_MORE = 3  # more rows than the rank, to see that it is the rank
_EXPLAINED, _MOST_UNEXPLAINED = 1e-5, 0.03  # changes of answers, relative to their spread, that are let pass
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
    """

    basis: np.ndarray | None = None
    singular_values: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    start: np.ndarray | None = None

    @property
    def rank(self) -> int | None:
        """Dimension of the subspace, if there is one."""
        return None if self.basis is None else int(self.basis.shape[1])


def find_row_space(source: Source, probe: Probe, seed: int = 0, progress: Progress = silent) -> RowSpace:
    """The row space of the first layer of a teacher that may be asked.

    Whole numbers are never reduced: differences over a step of 1 are no derivatives.
    """
    d = source.teacher.inputs
    if not source.chosen or source.inputs is not None or source.region.integers or d < 3:
        return RowSpace()
    differences = _Differences(source, probe)
    if differences.error * np.sqrt(d) > _HOPELESS:
        progress(Event("reduce", f"answers with a relative noise of {probe.noise:.0e} do not show which of {d} "
                       "directions matter: nothing is reduced", {}))
        return RowSpace()
    found = _search(differences, np.random.default_rng([seed, 5]))
    if found.rank is not None:
        progress(Event("reduce", f"the answers vary in {found.rank} of {d} directions", {"rank": found.rank}))
    return found


class _Differences:
    """Jacobians of a teacher in units of the sampler.

    One-sided differences err by ``step * curvature / 2 + noise / step``, at best about the square
    root of the noise; two-sided ones by ``step**2 + noise / step``, at best its power 2/3. One of d
    inputs does a part of what all do together, so it may be moved by more: the root of d is the most, if
    all have a like part, its root is taken.

    Attributes:
        queries: what one Jacobian costs.
        error: of one entry, relative to the spread of the answers.
        noise: of an answer.
    """

    def __init__(self, source: Source, probe: Probe) -> None:
        d, noise = source.teacher.inputs, max(probe.noise, 1e-16)
        self.source, self.spread, self.noise = source, probe.spread, noise * probe.spread
        self._one_sided = noise <= _PRECISE
        step = min(0.1, noise ** (1 / 2 if self._one_sided else 1 / 3) * d**0.25)
        sampler = source.sampler
        grid = 4 * type_epsilon(source.region.dtype) * (np.abs(sampler.center) + 4 * sampler.unit)
        self._shift = np.maximum(step * sampler.unit, grid)
        self.queries = d + 1 if self._one_sided else 2 * d
        self.error = float(np.sqrt(2.0 if self._one_sided else 0.5) * noise / step)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """At one input ``(inputs,)`` or, where steps would leave the box, beside it: ``(outputs, inputs)``.

        No rows where an answer cannot be used; those of free outputs only.
        """
        region, d = self.source.region, len(x)
        shift = np.minimum(self._shift, (region.high - region.low) / 2)
        x = region.nearest(np.clip(x, region.low + shift, region.high - shift)[None])[0]
        if self._one_sided:
            points = region.nearest(x + np.diag(shift))
            y = self.source.ask(np.concatenate([x[None], points]))
            change, width = y[1:] - y[0], np.diagonal(points) - x
        else:
            points = region.nearest(np.concatenate([x + np.diag(shift), x - np.diag(shift)]))
            y = self.source.ask(points)
            change, width = y[:d] - y[d:], np.diagonal(points[:d]) - np.diagonal(points[d:])
        slopes = change / np.where(width == 0, np.inf, width)[:, None]  # 0 where the box leaves no room
        rows = (slopes * self.source.sampler.unit[:, None]).T
        rows = rows[: self.source.link.free(len(rows))]
        return rows[np.isfinite(rows).all(axis=1)]


def _somewhere(source: Source, rng: np.random.Generator, known: np.ndarray) -> np.ndarray | None:
    """An input whose answer can be used; in a box one from which answers vary in directions that are not known yet.

    Args:
        source: whom to ask.
        rng: draws inputs.
        known: orthonormal rows ``(directions, inputs)`` in the units of the sampler.
    """
    if source.region.bounded:
        found = _changing(source, known.T, rng)
        return None if found is None else found[0]
    if source.link.kind == "raw":
        return source.sampler.draw(rng, 1)[0]
    for _ in range(_TRIES):
        x = source.region.nearest(source.sampler.draw(rng, 1))
        if not source.available:
            break
        if len(source.usable(x)[0]):
            return x[0]
    return None


def _search(differences: _Differences, rng: np.random.Generator) -> RowSpace:
    """More Jacobians until their singular values show the rank and fresh answers confirm it."""
    source, d = differences.source, differences.source.teacher.inputs
    most = d - 1 if d <= _SMALL else d // 2
    rows, values, least, error = np.zeros((0, d)), np.zeros(0), 1, 0.0
    basis, asked = np.zeros((0, d)), [source.sampler.center]
    suspects: list[np.ndarray] = []  # where a neuron may be active that was silent so far
    for _ in range(2 * most + 2 * _MORE):
        at = suspects.pop() if suspects else _somewhere(source, rng, basis[: np.sum(values > 3 * error)])
        if at is None or len(rows) >= 2 * most + 2 * _MORE or source.available < 2 * differences.queries:
            break
        rows, asked = np.concatenate([rows, differences.jacobian(at)]), [*asked, at]
        if not len(rows) or suspects:
            continue
        values, basis = np.linalg.svd(rows)[1:]
        error = differences.error * differences.spread * (np.sqrt(d) + np.sqrt(len(rows)))
        rank = _rank(values, error, least)
        if rank is None or len(rows) < rank + _MORE:
            if len(rows) >= most + _MORE and (rank is None or rank > most):
                break
            continue
        if source.available < 2 * _FRESH:  # a rank that nothing confirms is none
            break
        unexplained = _unexplained(source, basis[:rank].T, rng, error / values[rank - 1])
        if unexplained is None and rank > most:
            return RowSpace(None, values)
        if unexplained is None:
            found = basis[:rank].T
            start = where_answers_bend(source, found, np.array(asked), differences.noise) if source.region.bounded else None
            return RowSpace(found, values, start)
        suspects, least = list(unexplained), rank + 1
    return RowSpace(None, values)


def _rank(values: np.ndarray, error: float, least: int) -> int | None:
    """Index of the sharpest fall of the singular values; ``None`` if there is none.

    Args:
        values: largest first.
        error: the largest that the errors of the differences explain.
        least: smaller ranks were refuted.
    """
    if values[0] == 0:  # answers that do not vary near any point, as those of a tree
        return None
    relative = np.maximum(values / values[0], 1e-300)
    falls = relative[:-1] / relative[1:]
    clear = (falls >= _CLEAN_FALL) | ((falls >= _FALL) & (values[1:] <= _MARGIN * error))
    clear &= (np.arange(1, len(values)) >= least) & (values[:-1] >= 3 * error)  # equal rows fall to rounding
    return int(np.argmax(np.where(clear, falls, 0.0))) + 1 if clear.any() else None


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
    if source.region.bounded:
        found = _changing(source, basis, rng)
        return None if found is None or found[1] <= _tolerance(error) else found[0][None]
    x = source.widened(source.sampler.draw(rng, _FRESH), 3, source.reach)
    start = source.sampler.center
    slice_ = Coordinates(start, source.sampler.unit, basis)
    projected = slice_.outside(slice_.inside(x)) - start
    room = np.minimum(1.0, source.region.reach(start, projected))[:, None]  # projections may leave the bounds
    points = source.region.nearest(np.concatenate([start + room * projected, start + room * (x - start)]))
    inside, outside = np.split(source.ask(points), 2)
    good = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=1)
    if not good.any():
        return None
    pairs, inside, outside = points.reshape(2, _FRESH, -1)[:, good], inside[good], outside[good]
    spread = np.sqrt(np.mean((outside - outside.mean(axis=0)) ** 2))
    wrong = np.sqrt(np.mean((inside - outside) ** 2, axis=1))
    worst = int(np.argmax(wrong))
    return pairs[:, worst] if wrong[worst] > _tolerance(error) * spread else None


def _tolerance(error: float) -> float:
    """Changes of answers, relative to their spread, that the error of a subspace may explain."""
    return min(max(_EXPLAINED, _MARGIN * error), _MOST_UNEXPLAINED)


def _changing(source: Source, basis: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float] | None:
    """In a box: the input from which answers change most along what lies outside a subspace.

    Moves at right angles to the subspace lead from fresh inputs to others in the box. Of the one that changes the
    answers most, the end is taken at which they change more.

    Returns:
        The input ``(inputs,)``, and the change relative to the spread of the answers; ``None`` where none can be used.
    """
    region, unit = source.region, source.sampler.unit
    if source.available < 2 * _FRESH + 2:
        return None
    x = region.nearest(source.sampler.draw(rng, _FRESH))
    moves = move_within((region.low - x) / unit, (region.high - x) / unit, rng.normal(size=x.shape), basis,
                        np.zeros((_FRESH, basis.shape[1])))
    ends = np.stack([x, region.nearest(x + unit * moves)])
    y = source.ask(ends.reshape(-1, x.shape[1])).reshape(2, _FRESH, -1)
    change = np.where(np.isfinite(y).all(axis=(0, 2)), np.sqrt(np.mean((y[1] - y[0]) ** 2, axis=1)), -1.0)
    worst = int(np.argmax(change))
    if change[worst] < 0:
        return None
    first, last = ends[:, worst]
    near = region.nearest(np.stack([first + _NEAR * (last - first), last - _NEAR * (last - first)]))
    slopes = np.nan_to_num(np.sum((source.ask(near) - y[:, worst]) ** 2, axis=1))
    spread = float(np.sqrt(np.nanmean((y - np.nanmean(y, axis=(0, 1))) ** 2)))
    return ends[int(np.argmax(slopes)), worst], float(change[worst]) / (spread or 1.0)
