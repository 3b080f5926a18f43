"""Learn the teacher's precision before anything else, and refuse teachers that cannot be recovered."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from expandcluster.errors import TeacherError
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import Source

__all__ = ["Probe", "probe_teacher"]

_LINES, _POINTS = 12, 9
_STEP = 1e-3  # of the input scale: eighth differences of a smooth function are then below rounding
_LEAST_FLOOR = 1e-26  # a float64 student cannot be told from its teacher below this relative loss


@dataclasses.dataclass(frozen=True)
class Probe:
    """What is known of the teacher's precision.

    Attributes:
        noise: standard deviation of the errors of its answers, relative to that of the answers.
        noise_floor: the smallest relative loss this allows, ``noise**2``.
        floor: relative loss at which a student counts as having reached the noise floor.
        single: whether the teacher computes in less than float64.
        changing: whether it answers the same question differently.
    """

    noise: float
    noise_floor: float
    floor: float
    single: bool
    changing: bool = False


def probe_teacher(source: Source, progress: Progress = silent) -> Probe:
    """Measure the noise of a teacher's answers.

    A teacher that may be asked is asked along short lines: high differences of the answers keep the
    noise and lose the function (More and Wild 2011, Estimating computational noise, SIAM J. Sci.
    Comput. 33). For a table the precision of its numbers is taken, and the noise the user states.

    Raises:
        TeacherError: the answers change between calls (and ``noisy`` is off), or are constant.
    """
    epsilon = float(np.finfo(source.teacher.dtype).eps)
    if source.chosen:
        noise, changing = _measure(source, epsilon)
    else:
        y = source.samples(2**62).y
        spread = _spread(y)
        noise, changing = max(source.options.noise, epsilon / 4 * float(np.sqrt(np.mean(y**2))) / spread), False
    noise = max(noise, _saturation(source))
    probe = Probe(noise, noise**2, max(_LEAST_FLOOR, 30.0 * noise**2), epsilon > 2.0**-52, changing)
    progress(Event("probe", f"relative noise of the answers {noise:.1e}", {"noise": noise}))
    return probe


def _measure(source: Source, epsilon: float) -> tuple[float, bool]:
    """Noise of a teacher that may be asked, and whether its answers change."""
    if source.available < 2:
        return epsilon / 4, False
    d, rng = source.teacher.inputs, np.random.default_rng(0)
    scale = source.options.scale
    points = source.inputs if source.inputs is not None else source.rounded(rng.normal(size=(64, d)) * scale)
    points = points[: min(64, max(2, source.available // 8))]
    points, y = source.usable(points)
    spread = _spread(y)
    if source.available < 6 * _POINTS:
        return epsilon / 4, False
    change = _change(source, points[:_POINTS], y[:_POINTS], spread, epsilon)
    if source.inputs is not None:  # no other inputs may be asked
        return max(change / spread, epsilon / 4), change > 0
    lines = min(_LINES, source.available // (4 * _POINTS))
    start = points[rng.integers(len(points), size=lines)]
    direction = rng.normal(size=(lines, d)) / np.sqrt(d) * scale
    x = (start[:, None] + _STEP * np.arange(_POINTS)[None, :, None] * direction[:, None]).reshape(-1, d)
    along = source.ask(source.rounded(x)).reshape(lines, _POINTS, -1)
    along = along[np.isfinite(along).all(axis=(1, 2))]
    measured = _difference_noise(along / spread) if len(along) else 0.0
    return max(measured, epsilon / 8), change > 0


def _saturation(source: Source) -> float:
    """Noise of answers near saturation, which short lines miss and inputs far out meet; relative to their spread."""
    if source.link.kind == "raw":
        return 0.0
    y = source.check(min(600, source.available // 4)).y if source.chosen else source.samples(2**62).y
    return source.link.noise(y) / _spread(y) if len(y) >= _POINTS else 0.0


def _spread(y: np.ndarray) -> float:
    """Root mean square of the centred answers; refuses a constant teacher."""
    spread = float(np.sqrt(np.mean((y - y.mean(axis=0)) ** 2)))
    if spread <= 1e-13 * max(float(np.abs(y).max()), 1e-300):
        raise TeacherError("the teacher's answers", got="the same answer to every input", expected="answers that vary",
                           remedy="A constant function has no neurons; check the scale of the inputs.")
    return spread


def _change(source: Source, x: np.ndarray, y: np.ndarray, spread: float, epsilon: float) -> float:
    """Ask a few inputs again: standard deviation of what changes, 0 for what another order of summation rounds."""
    difference = source.ask(x, again=1) - y
    difference = difference[np.isfinite(difference).all(axis=1)]
    largest = float(np.abs(difference).max(initial=0.0))
    if largest <= 1e4 * epsilon * max(spread, float(np.abs(y).max())):
        return 0.0
    if not source.options.noisy:
        raise TeacherError("the teacher's answers",
                           got=f"answers to the same input that differ by {largest:.1e} between calls",
                           expected="the same answer every time",
                           remedy="Switch off what is random in it (dropout, sampling), or allow noise with noisy=True "
                                  "(--noisy): the result is then only as exact as its error bars.")
    return float(np.sqrt(np.mean(difference**2) / 2))


def _difference_noise(y: np.ndarray) -> float:
    """Noise from the difference table of ``(lines, points, outputs)``; the least over high orders."""
    estimates = []
    for order in range(4, y.shape[1]):
        table = np.diff(y, n=order, axis=1)
        gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
        per_line = np.sqrt(gamma * np.mean(table**2, axis=(1, 2)))
        estimates.append(float(np.median(per_line)))
    return min(estimates)
