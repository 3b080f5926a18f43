"""Learn the teacher's precision before anything else, and refuse teachers that cannot be recovered."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.errors import TeacherError
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.noise import coarsest_type, line_noise, quantum, type_epsilon
from expandcluster.queries.source import ABOVE_NOISE, Source, TableSource

__all__ = ["Probe", "probe_teacher", "slice_floor"]

_PILOT, _AGAIN, _SEEN = 48, 9, 4  # inputs asked first, asked again, asked as coarser types would see them
_COARSER, _CONTROL = ("float32", "float16", "bfloat16"), 5  # 5: bits of a type that nothing computes in
_ABOVE_RANDOM = 1.5  # as ABOVE_NOISE, of random noise, whose size is well known
_LEAST_FLOOR = 1e-26  # a float64 student cannot be told from its teacher below this relative loss
_UNIFORM = 12.0**-0.5  # standard deviation of a rounding error of at most half a step either way


@dataclasses.dataclass(frozen=True)
class Probe:
    """What is known of the teacher's precision.

    Attributes:
        noise: standard deviation of the errors of its answers, relative to that of the answers.
        noise_floor: the smallest relative loss this allows, ``noise**2``.
        floor: relative loss at which a student counts as having reached the noise floor.
        single: whether the teacher computes in less than float64.
        changing: whether it answers the same question differently.
        sees: the type in which it sees its inputs.
        spread: standard deviation of its answers.
        random: whether its noise is random and of a well-known size: measured in repeated answers, or stated.
    """

    noise: float
    noise_floor: float
    floor: float
    single: bool
    changing: bool = False
    sees: str = "float64"
    spread: float = 1.0
    random: bool = False

    @property
    def allowed(self) -> float:
        """Largest relative loss, on inputs that were not trained on, of a network that imitates the teacher."""
        return (2.0 if self.random else 100.0) * self.floor

    @property
    def tolerance(self) -> float:
        """Largest parameter error, relative to the largest parameter, of a network that is called exact."""
        return 1e-3 if self.single else 1e-8


def probe_teacher(source: Source, progress: Progress = silent) -> Probe:
    """Measure the noise of a teacher's answers.

    A teacher that may be asked is asked again, and along short lines: high differences of the answers
    keep the noise and lose the function. The answers themselves show the type they were computed in,
    and to how many digits they were rounded; for a table that is all there is, besides the noise the
    user states.

    Raises:
        TeacherError: the answers change between calls (and ``noisy`` is off), or are constant.
    """
    if not isinstance(source, TableSource):
        noise, spread, changing, single = _measure(source)
    else:
        x, told = source.rows()
        rounding, kind, _ = _rounding(source, x, told)
        spread = _spread(source.link.undo(told))
        noise, changing, single = max(source.options.noise, rounding / spread), False, kind != "float64"
    noise = max(noise, _saturation(source))
    random = changing or (isinstance(source, TableSource) and 0 < source.options.noise == noise)
    floor = max(_LEAST_FLOOR, (_ABOVE_RANDOM if random else ABOVE_NOISE) * noise**2)
    probe = Probe(noise, noise**2, floor, single, changing, source.region.dtype.name, spread, random)
    progress(Event("probe", f"relative noise of the answers {noise:.1e}", {"noise": noise}))
    return probe


def slice_floor(source: Source, probe: Probe) -> float:
    """Relative loss at which a student in the slice of a box counts as having reached the noise floor.

    Answers may vary less there than elsewhere, and have as large errors.
    """
    samples = source.held_out(_PILOT)
    spread = float(np.sqrt(np.mean((samples.y - samples.y.mean(axis=0)) ** 2))) if len(samples.x) else 0.0
    if spread == 0 or source.available < 4 * _PILOT:
        return probe.floor
    points = source.region.nearest(source.coordinates.outside(samples.x))
    noise = line_noise(source, points, spread, probe.noise * probe.spread / spread)
    return max(probe.floor, (_ABOVE_RANDOM if probe.random else ABOVE_NOISE) * noise**2)


def _measure(source: Source) -> tuple[float, float, bool, bool]:
    """Noise and spread of the answers, whether they change, and whether they are computed in less than float64.

    What rounding did shows in the answers as they are given (``told``); it matters as much as it moves the
    network's outputs behind them (``y``).
    """
    available, link = source.available, source.link
    points = source.pilot(min(_PILOT, max(2, available // 8)))[:available]
    told = source.answers(points) if available >= 2 else np.zeros((0, source.teacher.outputs))
    good = link.usable(told)
    points, told, y = points[: len(told)][good], told[good], link.undo(told[good])
    if len(y) < 2:
        return type_epsilon(source.region.dtype) / 4, 1.0, False, source.region.dtype != np.float64
    spread = _spread(y)
    rounding, kind, decimal = _rounding(source, points, told)
    if available < 6 * _AGAIN:
        return rounding / spread, spread, False, kind != "float64"
    again, seen = _ask_again(source, points[:_AGAIN])
    size = max(float(np.sqrt(np.mean((told - told.mean(axis=0)) ** 2))), float(np.abs(told).max()))
    changing = _changes(source, again - told[:_AGAIN], size, type_epsilon(kind))
    if not changing and not decimal:
        source.sees(seen)
    single = kind != "float64" or source.region.dtype != np.float64
    if changing and source.available >= 4 * _PILOT:
        again = source.answers(points, again=2)
    difference = link.undo(again) - y[: len(again)]
    change = float(np.sqrt(np.mean(difference[np.isfinite(difference)] ** 2) / 2)) if link.usable(again).any() else 0.0
    noise = max(rounding, change) / spread
    if source.inputs is None and not changing and source.available >= 4 * _PILOT:
        noise = max(noise, line_noise(source, points, spread, noise))
    return noise, spread, changing, single


def _saturation(source: Source) -> float:
    """Noise of answers near saturation, which short lines miss and inputs far out meet; relative to their spread."""
    if source.link.kind == "raw":
        return 0.0
    y = source.check(min(600, source.available // 4) if source.chosen else 2**62).y
    return source.link.noise(y) / _spread(y) if len(y) >= _AGAIN else 0.0


def _spread(y: np.ndarray) -> float:
    """Root mean square of the centred answers; refuses a constant teacher."""
    spread = float(np.sqrt(np.mean((y - y.mean(axis=0)) ** 2)))
    if spread <= 1e-13 * max(float(np.abs(y).max()), 1e-300):
        raise TeacherError("the teacher's answers", got="the same answer to every input", expected="answers that vary",
                           remedy="A constant function has no neurons; check the scale of the inputs.")
    return spread


def _rounding(source: Source, x: np.ndarray, y: np.ndarray) -> tuple[float, str, bool]:
    """Errors that rounding alone leaves in answers, the type they were rounded to, and whether to decimal digits.

    The errors are those of the network's outputs. Whole numbers may have whole answers, or such as fit a
    coarse type, without any rounding.
    """
    told = source.teacher.dtype
    whole = source.link.kind == "raw" and np.array_equal(x, np.rint(x))
    kind = told.name if whole else coarsest_type(y, told)
    digits = quantum(y)
    digits = np.zeros(y.shape) if whole and digits.max() >= 1 else digits
    steps = np.maximum(type_epsilon(kind) * np.abs(y), np.maximum(digits, source.link.step)) * source.link.stretch(y)
    return _UNIFORM * float(np.sqrt(np.mean(steps**2))), kind, bool(digits.any())


def _ask_again(source: Source, x: np.ndarray) -> tuple[np.ndarray, np.dtype]:
    """Answers to ``x`` once more, and the coarsest type to which inputs can be rounded without a change of answers.

    In batches of one size, each by itself: elsewhere in a batch a model may sum in another order.
    """
    seen, first = source.region.dtype, x[:_SEEN]
    if source.inputs is not None:  # no other inputs may be asked
        return source.answers(x, again=1), seen
    types = [np.dtype(n) for n in _COARSER if type_epsilon(n) > type_epsilon(seen)]
    control = np.ldexp(np.rint(np.ldexp(np.frexp(first)[0], _CONTROL)), np.frexp(first)[1] - _CONTROL)
    rounded = [source.region.nearest(r) for r in (*(first.astype(t).astype(np.float64) for t in types), control)]
    exact = source.answers(first, again=3)
    same = [not np.array_equal(r, first) and np.array_equal(source.answers(r, again=1), exact) for r in rounded]
    if not same[-1]:  # answers that do not change even then are those of a tree
        seen = types[same.index(False) - 1] if same[0] else seen
    return source.answers(x, again=1), seen


def _changes(source: Source, difference: np.ndarray, size: float, epsilon: float) -> bool:
    """Whether answers of ``size`` changed by more than rounding explains.

    Another order of summation, as in another batch, rounds differently.
    """
    largest = float(np.abs(difference).max())
    if largest <= min(1e4 * epsilon, max(30 * epsilon, 1e-5)) * size:
        return False
    if not source.options.noisy:
        raise TeacherError("the teacher's answers",
                           got=f"answers to the same input that differ by {largest:.1e} between calls",
                           expected="the same answer every time",
                           remedy="Switch off what is random in it (dropout, sampling), or allow noise with noisy=True "
                                  "(--noisy): the result is then only as exact as its error bars.")
    return True
