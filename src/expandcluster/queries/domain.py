"""Which inputs a teacher may be asked: a box, integers, and the grid on which it sees them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from expandcluster.errors import BadInput

__all__ = ["EVERYWHERE", "Domain", "Region"]

Bound = float | tuple[float | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Domain:
    """Which inputs a teacher may be asked; every query keeps to it.

    Attributes:
        low: least value of every coordinate: one number for all, one for each (``None`` where there
            is no bound), or ``None``.
        high: largest value, likewise.
        integers: whether only whole numbers may be asked.

    Raises:
        BadInput: a bound is no number, or no input fits between the bounds.

    Example:
        >>> Domain(low=0.0, high=1.0)  # pixels
        Domain(low=0.0, high=1.0, integers=False)
        >>> Domain.box([0, -1], [float("inf"), 1]).high
        (None, 1.0)
    """

    low: Bound = None
    high: Bound = None
    integers: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            entries = value if isinstance(value, tuple) and value else (value,)
            if not all(v is None or _is_number(v) for v in entries):
                _refuse(name, value, "a finite number, None, or a tuple of those",
                        "Domain.box takes arrays and infinite bounds.")
        if not isinstance(self.integers, bool):
            _refuse("integers", self.integers, "True or False", "Change this option.")
        sizes = {len(b) for b in (self.low, self.high) if isinstance(b, tuple)}
        if len(sizes) > 1:
            _refuse("low and high", f"{sizes} bounds", "as many bounds below as above", "Give both for every input.")
        low, high = self._arrays(max(sizes, default=1))
        if not (low <= high).all():
            at = int(np.flatnonzero(~(low <= high))[0])
            _refuse("low and high", f"{low[at]:g} and {high[at]:g}{' with integers' if self.integers else ''}",
                    "bounds between which there is an input", "Exchange or widen the bounds.")

    @staticmethod
    def box(low: Any, high: Any, integers: bool = False) -> Domain:
        """A domain from numbers or arrays ``(inputs,)``; infinite bounds are none."""
        return Domain(_bound(low), _bound(high), integers)

    @staticmethod
    def parse(text: str | None, integers: bool = False) -> Domain:
        """The domain of what is written on the command line: ``LOW,HIGH``, one of which may be left out.

        Raises:
            BadInput: it is written otherwise.

        Example:
            >>> Domain.parse("0,")
            Domain(low=0.0, high=None, integers=False)
        """
        low, comma, high = (text or ",").partition(",")
        try:
            low_value, high_value = (float(part) if part.strip() else None for part in (low, high))
            if not comma:
                raise ValueError
        except ValueError as error:
            raise BadInput("box", got=repr(text), expected="LOW,HIGH, for example 0,1 (one of them may be left out)",
                           remedy="Bounds that differ between inputs are given in Python: Domain.box.") from error
        return Domain.box(low_value, high_value, integers)

    def _arrays(self, inputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Both bounds as arrays ``(inputs,)``, infinite where there is none."""
        low, high = np.full(inputs, -np.inf), np.full(inputs, np.inf)
        for array, bound in ((low, self.low), (high, self.high)):
            if bound is not None:
                array[:] = [a if b is None else b for a, b in
                            zip(array, bound if isinstance(bound, tuple) else (bound,) * inputs, strict=True)]
        return (np.ceil(low), np.floor(high)) if self.integers else (low, high)


EVERYWHERE = Domain()


@dataclasses.dataclass(frozen=True)
class Region:
    """The domain of one teacher: what may be asked, as the teacher gets to see it.

    Attributes:
        low: least values ``(inputs,)``, minus infinity where there is no bound.
        high: largest values ``(inputs,)``.
        integers: whether only whole numbers may be asked.
        dtype: the type in which the teacher sees its inputs.
    """

    low: np.ndarray
    high: np.ndarray
    integers: bool
    dtype: np.dtype

    @staticmethod
    def of(domain: Domain, inputs: int, dtype: np.dtype | type | str) -> Region:
        """The region of a teacher.

        Args:
            domain: which inputs may be asked.
            inputs: numbers in one input.
            dtype: the type in which the teacher sees them.

        Raises:
            BadInput: the domain has bounds for another number of inputs.
        """
        for bound in (domain.low, domain.high):
            if isinstance(bound, tuple) and len(bound) != inputs:
                _refuse("low and high", f"{len(bound)} bounds", f"one for each of the teacher's {inputs} inputs",
                        "Give one number for all, or one for each.")
        low, high = domain._arrays(inputs)
        dtype = np.dtype(dtype)
        inner = _inward(low, dtype, up=True), _inward(high, dtype, up=False)
        thin = inner[0] > inner[1]  # no number of this type between them: the teacher must round by itself
        low, high = np.where(thin, low, inner[0]), np.where(thin, high, inner[1])
        return Region(low, high, domain.integers, dtype)

    @property
    def bounded(self) -> bool:
        """Whether every coordinate has a least and a largest value."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """The inputs nearest to ``x`` ``(samples, inputs)`` that may be asked and that the teacher can tell apart."""
        x = np.clip(x, self.low, self.high)
        if self.integers:
            x = np.rint(x)
        return np.clip(x.astype(self.dtype).astype(np.float64), self.low, self.high)

    def contains(self, x: np.ndarray) -> bool:
        """Whether every row of ``x`` may be asked."""
        return bool(((x >= self.low) & (x <= self.high)).all() and (not self.integers or (x == np.rint(x)).all()))

    def reach(self, start: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """The largest t for which ``start + t direction`` stays inside the bounds, ``(samples,)``.

        Inputs that may not vary at all do not limit it.

        Args:
            start: an input inside them ``(inputs,)``, or one for each direction.
            direction: ``(samples, inputs)``.
        """
        direction = np.where(self.high > self.low, direction, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(direction > 0, self.high - start, np.where(direction < 0, start - self.low, np.inf))
            return np.min(np.where(direction == 0, np.inf, room / np.abs(direction)), axis=-1)

    def folded(self, x: np.ndarray) -> np.ndarray:
        """``x`` reflected at the bounds until it lies between them."""
        low, high = self.low, self.high
        below, above = np.isfinite(low), np.isfinite(high)
        both, width = below & above, np.where(below & above, high - low, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            turns = np.mod(np.where(both, x - low, 0.0), 2.0 * np.where(width > 0, width, 1.0))
            inside = np.where(both, low + np.minimum(turns, 2.0 * width - turns), x)
            inside = np.where(below & ~above, low + np.abs(x - low), inside)
            inside = np.where(above & ~below, high - np.abs(high - x), inside)
        return np.clip(inside, low, high)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _bound(value: Any) -> Bound:
    """One bound as a number, a tuple or None; infinities become None."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        return tuple(None if v is None or math.isinf(v) else float(v) for v in value)
    return None if value is None or (isinstance(value, (int, float)) and math.isinf(value)) else value


def _inward(bound: np.ndarray, dtype: np.dtype, *, up: bool) -> np.ndarray:
    """The bound, or the next number of ``dtype`` inside it."""
    with np.errstate(over="ignore"):
        near = bound.astype(dtype)
        outside = near.astype(np.float64) < bound if up else near.astype(np.float64) > bound
        step = np.nextafter(near, np.asarray(np.inf if up else -np.inf, dtype))
    return np.where(outside, step, near).astype(np.float64)


def _refuse(name: str, got: object, expected: str, remedy: str) -> None:
    raise BadInput(f"domain's {name}", got=got if isinstance(got, str) else repr(got), expected=expected, remedy=remedy)
