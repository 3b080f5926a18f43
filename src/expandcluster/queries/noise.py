"""The noise of a teacher's answers: from the numbers themselves, and from short lines of inputs.

Along a short line the differences of order k of a smooth function vanish like the k-th power of the
step, while those of independent errors grow: scaled by ``gamma_k = (k!)^2 / (2k)!`` their mean square
is the variance of the errors (More and Wild 2011, Estimating computational noise, SIAM J. Sci.
Comput. 33). The step must be neither so long that the function or its kinks are seen, nor so short
that rounded answers repeat: both show, and the step is changed until neither does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from expandcluster.queries.source import Source

__all__ = ["coarsest_type", "difference_noise", "line_noise", "quantum", "type_epsilon"]

_LINES, _POINTS = 8, 9
_FIRST_STEP, _LEAST_STEP, _LARGEST_STEP = 2.0**-10, 2.0**-24, 2.0**-4  # of the sampler's unit
_USUAL = 30.0  # arithmetic loses up to this multiple of what rounding the answer alone does
_ORDERS = range(4, _POINTS)
_REPEATED = 0.25  # with more steps than this that change nothing, steps are too short
_OUTLIER = 10.0  # lines with so many times the usual noise cross a kink
_MOVED = 16  # inputs that move along a line where a coarse type makes their steps long
_TYPES = (ml_dtypes.bfloat16, np.float16, np.float32)


def type_epsilon(kind: str | np.dtype | type) -> float:
    """Relative spacing of the numbers of a floating-point type."""
    return float(ml_dtypes.finfo(np.dtype(kind)).eps)


def coarsest_type(y: np.ndarray, most: np.dtype | type = np.float64) -> str:
    """Name of the coarsest floating-point type that holds every number of ``y``, or of ``most`` if that is coarser.

    Example:
        >>> coarsest_type(np.sin(np.arange(10.0)).astype(np.float32).astype(np.float64))
        'float32'
    """
    if y.size >= 8 and not np.array_equal(y, np.rint(y)):  # whole numbers fit any type
        for kind in _TYPES:
            with np.errstate(over="ignore"):
                if np.array_equal(y.astype(kind).astype(np.float64), y):
                    return str(min((np.dtype(kind), np.dtype(most)), key=lambda t: -type_epsilon(t)).name)
    return str(np.dtype(most).name)


def quantum(y: np.ndarray) -> np.ndarray:
    """The step of the decimal digits to which every number of ``y`` was rounded; 0 where it was not.

    Numbers are tried with a fixed number of digits after the point, and of significant digits.

    Example:
        >>> float(quantum(np.round(np.sin(np.arange(10.0)), 3))[3])
        0.001
    """
    size = np.abs(y[y != 0])
    if size.size < 8:
        return np.zeros(y.shape)
    steps = [np.zeros(y.shape)]
    for places in range(-2, 13):
        step = 10.0**-places
        if step < 1e3 * np.finfo(float).eps * size.max():
            break
        if (np.abs(y / step - np.rint(y / step)) <= 1e-6 + 4 * np.finfo(float).eps * np.abs(y / step)).all():
            steps.append(np.full(y.shape, step))
            break
    magnitude = np.floor(np.log10(np.where(y == 0, 1.0, np.abs(y))))
    for digits in range(1, 13):
        each = 10.0 ** (magnitude - digits + 1)
        if (np.abs(y / each - np.rint(y / each)) <= 1e-2 * 10.0 ** (digits - 12) + 1e-6).all():
            steps.append(np.where(y == 0, 0.0, each))
            break
    return max(steps, key=lambda s: float(np.mean(s**2)))


def difference_noise(y: np.ndarray) -> tuple[float, float]:
    """Noise of answers along lines ``(lines, points, outputs)``, and the share of steps that changed no answer.

    Outputs that do not change at all along a line say nothing of its noise.
    """
    repeated = float(np.mean(np.diff(y, axis=1) == 0))
    moving = np.ptp(y, axis=1) > 0  # (lines, outputs)
    if not moving.any():
        return 0.0, repeated
    found = []
    for order in _ORDERS:
        gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
        squares = gamma * np.mean(np.diff(y, n=order, axis=1) ** 2, axis=1)
        lines = np.array([np.mean(s[m]) for s, m in zip(squares, moving, strict=True) if m.any()])
        usual = lines <= _OUTLIER**2 * np.median(lines)  # a line over a kink says nothing of the noise
        found.append(float(np.sqrt(np.mean(lines[usual]))))
    return float(np.mean([f for f in found if f <= 2 * min(found)])), repeated  # of the orders that lose the function


def line_noise(source: Source, points: np.ndarray, spread: float, expected: float) -> float:
    """Noise of the answers along short lines relative to ``spread``; 0 where it cannot be told from the function.

    More noise than rounding explains is believed where steps eight times as long or short find as much: a
    smooth function, a kink and the many small steps of a tree all change by more than a factor of 2 then.

    Args:
        source: whom to ask.
        points: where lines start ``(samples, inputs)``.
        spread: size of the answers.
        expected: relative noise that rounding the answers leaves.
    """
    start = points[np.random.default_rng(1).choice(len(points), size=min(_LINES, len(points)), replace=False)]
    seen: list[np.ndarray] = []

    def measure(step: float) -> tuple[float, float] | None:
        """``None`` where no other lines can be asked."""
        x = _lines(source, start, step, np.random.default_rng(2))
        if x is None or any(np.array_equal(x, s) for s in seen) or source.available < 2 * x.shape[0] * x.shape[1]:
            return None
        seen.append(x)
        y = source.ask(x.reshape(-1, x.shape[2])).reshape(*x.shape[:2], -1)
        usable = np.isfinite(y).all(axis=(1, 2))
        return difference_noise(y[usable] / spread) if usable.any() else None

    # Slopes are about the spread over one unit; answers rounded coarsely need longer steps to change at all.
    step = min(_LARGEST_STEP, max(_FIRST_STEP, 2.0 ** np.ceil(np.log2(8 * expected))))
    found = measure(step)
    while (found is None or found[1] > _REPEATED) and step < _LARGEST_STEP:
        step, found = 4 * step, measure(4 * step) or found
    if found is None or found[1] > _REPEATED:
        return 0.0
    noise = found[0]
    while noise > _USUAL * expected and step > _LEAST_STEP:
        step, found = step / 8, measure(step / 8)
        if found is None:  # steps cannot be shorter
            longer = measure(64 * step)
            return noise if longer is not None and noise <= longer[0] <= 2 * noise else 0.0
        if found[0] >= noise / 2:
            return noise
        if found[1] > _REPEATED:
            return 0.0
        noise = found[0]
    return noise


def _lines(source: Source, start: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray | None:
    """Points ``(lines, points, inputs)`` in equal steps that the teacher sees as they are; None if none fit.

    Every point is a whole multiple of the spacing of the teacher's numbers there, so that rounding
    does not bend the line.
    """
    region, unit = source.region, source.sampler.unit
    d = start.shape[1]
    size = np.maximum(np.abs(start), np.abs(source.sampler.center) + 2 * unit)
    grid = 2.0 ** np.ceil(np.log2(2 * size * type_epsilon(region.dtype)))
    wanted = step * unit / np.sqrt(d)
    coarse = bool((grid > wanted).any()) or region.integers
    if coarse and d > _MOVED:
        wanted = step * unit / np.sqrt(_MOVED) * (rng.permuted(np.tile(np.arange(d), (len(start), 1)), axis=1) < _MOVED)
    grid = np.maximum(grid, 1.0) if region.integers else grid
    move = np.where(wanted > 0, np.maximum(np.rint(wanted / grid), 1.0), 0.0) * grid
    x = np.rint(start / grid) * grid
    x = np.where(x < region.low, x + grid, np.where(x > region.high, x - grid, x))
    sign = rng.choice([-1.0, 1.0], size=start.shape)
    room = (_POINTS - 1) * move
    fits = [(s, (x + s * room >= region.low) & (x + s * room <= region.high)) for s in (sign, -sign)]
    sign = np.where(fits[0][1], sign, np.where(fits[1][1], -sign, 0.0))
    line = x[:, None] + sign[:, None] * move[:, None] * np.arange(_POINTS)[None, :, None]
    inside = (line >= region.low) & (line <= region.high)
    line = np.where(inside.all(axis=1, keepdims=True), line, start[:, None])
    return line if (np.ptp(line, axis=1) > 0).any(axis=1).all() else None
