"""The row space of the first layer in a box, where neurons may be saturated, or always off, nearly everywhere.

Jacobians are dear, single moves are not: before each Jacobian, moves between inputs of the box that
change nothing in the directions known so far show where there are others, and that is where it is taken. When no
move changes the answers by more than errors explain, all directions are known.
"""

from __future__ import annotations

import numpy as np

from expandcluster.queries.box_moves import move_within
from expandcluster.queries.jacobians import EXPLAINED, MARGIN, Differences

__all__ = ["search_box"]

_MOVES, _CONFIRM = 48, 192  # tried before each Jacobian, and before a rank is believed
_SOME, _IN_VAIN = 3, 8  # Jacobians that showed no new direction
_LOOKS = 6  # moves whose ends are looked at
_PLACES = 6  # on such a move
_SIDES, _BENT = 2, 0.02  # pairs of steps that show kinks, by bends of this share
_NEARBY = 0.3  # of the steps along single inputs: for steps along all of them
_NEAR = 0.1  # of a move: what the slopes at its ends are seen from
_CERTAIN = 3.0  # errors that the singular value of a direction must exceed to be known


def search_box(differences: Differences, rng: np.random.Generator, most: int
               ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Jacobians where unknown directions change the answers, until there are none.

    Args:
        differences: whom to ask, and how exactly.
        rng: draws moves.
        most: the largest dimension that is of use.

    Returns:
        Orthonormal columns ``(inputs, rank)`` in the units of the sampler, ``None`` if there is no such subspace or the
        budget does not allow to confirm it; the singular values; and the inputs where Jacobians showed
        new directions ``(points, inputs)``, the middle of the box the first.
    """
    source, d = differences.source, differences.source.teacher.inputs
    rows, values, basis, points = np.zeros((0, d)), np.zeros(0), np.zeros((0, d)), [source.sampler.center]
    known, in_vain = 0, 0
    while in_vain < _IN_VAIN:
        found = _strongest(differences, basis[:known].T, rng, _CONFIRM if len(rows) > known else _MOVES)
        if found is None:
            return None, values, np.array(points)
        at, change, length = found
        explained = max(EXPLAINED, MARGIN * differences.error * length) * differences.spread
        if in_vain >= _SOME:  # the error of a direction weighs more where its neuron answers more
            explained *= max(1.0, values[0] / values[known - 1] / MARGIN)
        if known and change <= explained:
            break
        if source.available < 2 * differences.queries:
            return None, values, np.array(points)
        rows, before = np.concatenate([rows, differences.jacobian(at)]), known
        if len(rows):
            values, basis = np.linalg.svd(rows)[1:]
            error = differences.error * differences.spread * (np.sqrt(d) + np.sqrt(len(rows)))
            known = int(np.sum(values > _CERTAIN * error))
        in_vain, points = (in_vain + 1, points) if known == before else (0, [*points, at])
        if known > most:
            break
    return basis[:known].T if 0 < known <= most else None, values, np.array(points)


def _strongest(differences: Differences, known: np.ndarray, rng: np.random.Generator, count: int
               ) -> tuple[np.ndarray, float, float] | None:
    """The input from which answers change most along directions that are not known.

    Args:
        differences: whom to ask.
        known: orthonormal columns ``(inputs, directions)`` in the units of the sampler.
        rng: draws inputs and moves.
        count: how many moves.

    Returns:
        An input ``(inputs,)`` on one of the moves that change the answers most, not near to a kink if that can be; how
        much the answers change between the ends of the first of them, and its length in units. ``None`` where no
        answer can be used, or the budget is spent.
    """
    source, region, unit = differences.source, differences.source.region, differences.source.sampler.unit
    if source.available < 2 * count + 2 * (1 + _SIDES) * _PLACES * _LOOKS:
        return None
    x = differences.inner(source.sampler.draw(rng, count))
    low, high = (differences.inner(bound[None]) for bound in (region.low, region.high))
    moves = move_within((low - x) / unit, (high - x) / unit, _wanted(rng, x.shape), known,
                        np.zeros((count, known.shape[1])))
    ends = np.stack([x, region.nearest(x + unit * moves)])
    y = source.ask(ends.reshape(-1, x.shape[1])).reshape(2, count, -1)
    change = np.where(np.isfinite(y).all(axis=(0, 2)), np.sqrt(np.mean((y[1] - y[0]) ** 2, axis=1)), -1.0)
    best = np.argsort(-change)[:_LOOKS]
    best = best[change[best] >= 0]
    if not len(best):
        return None
    first, last = ends[:, best]
    parts = np.linspace(0.0, 1.0, _PLACES if source.wide else 2)[:, None, None]
    at = region.nearest((first + parts * (last - first)).reshape(-1, x.shape[1]))
    steps = np.where(parts < 0.5, _NEAR, -_NEAR) * (last - first)
    y_at = source.ask(at)
    slopes = _size(source.ask(region.nearest(at + steps.reshape(at.shape))) - y_at)
    if source.wide:
        plain = ~_kinked(differences, at, y_at, rng) & (slopes > _NEAR / 2 * np.tile(change[best], _PLACES))
        slopes = np.where(plain, slopes, 0.0) if plain.any() else slopes
    return at[int(np.argmax(slopes))], float(change[best[0]]), float(np.linalg.norm(moves[best[0]]))


def _wanted(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal moves of some inputs ``(moves, inputs)``, of few in some moves and of nearly all in others."""
    return np.where(rng.uniform(size=shape) < rng.uniform(size=(shape[0], 1)) ** 2, rng.normal(size=shape), 0.0)


def _kinked(differences: Differences, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whether a kink lies so near to inputs ``(samples, inputs)`` that steps would cross it."""
    source, found = differences.source, np.zeros(len(x), bool)
    low, high = source.region.low, source.region.high
    for _ in range(_SIDES):
        step = _NEARBY * differences.shift * rng.choice([-1.0, 1.0], size=x.shape)
        step = np.where((x + 2 * step < low) | (x + 2 * step > high), -step, step)
        near, far = (source.ask(source.region.nearest(x + times * step)) for times in (1, 2))
        noise = differences.noise * differences.spread
        found |= _size(y - 2 * near + far) > _BENT * _size(far - y) + MARGIN * noise
    return found


def _size(y: np.ndarray) -> np.ndarray:
    """Root mean square of answers ``(samples, outputs)``; 0 where one cannot be used."""
    return np.sqrt(np.nan_to_num(np.mean(y**2, axis=1)))
