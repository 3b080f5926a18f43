"""What an owner may put between a model and those who ask it.

A defence is written as ``round:4`` (digits after the point), ``noise:0.01`` (Gaussian, as a share of the answers'
standard deviation, drawn anew for every answer), ``float16``, ``probabilities`` (softmax of the outputs, or the
logistic function of a single one) or ``limit:1000`` (queries); several are joined, first to last, as in
``probabilities+round:4``.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.special

from expandcluster.errors import BadInput, BudgetSpent
from expandcluster.teachers.base import Teacher

__all__ = ["Defence", "Defended", "parse_defence"]

_KINDS = ("round:DIGITS", "noise:SHARE", "float16", "probabilities", "limit:QUERIES")


@dataclasses.dataclass(frozen=True)
class Defence:
    """Steps that every answer goes through.

    Attributes:
        steps: kind and number of each step, in their order; the limit is not among them.
        limit: queries that are answered at all; ``None`` for any number.
    """

    steps: tuple[tuple[str, float], ...] = ()
    limit: int | None = None

    @property
    def name(self) -> str:
        """As it is written; ``none`` for nothing."""
        parts = [kind if kind in ("float16", "probabilities") else f"{kind}:{value:g}" for kind, value in self.steps]
        return "+".join(parts + ([] if self.limit is None else [f"limit:{self.limit}"])) or "none"

    @property
    def words(self) -> str:
        """For a person."""
        said = {"round": "rounded to {:g} digits", "noise": "noise of {:g}", "float16": "float16",
                "probabilities": "probabilities only"}
        parts = [said[kind].format(value) for kind, value in self.steps]
        return ", ".join(parts + ([] if self.limit is None else [f"at most {self.limit:,} queries"])) or "none"

    @property
    def random(self) -> bool:
        """Whether the same question gets different answers."""
        return any(kind == "noise" for kind, _ in self.steps)

    @property
    def probabilities(self) -> bool:
        """Whether outputs become probabilities."""
        return any(kind == "probabilities" for kind, _ in self.steps)


def parse_defence(text: str) -> Defence:
    """The defence written as ``text``.

    Raises:
        BadInput: it is none.

    Example:
        >>> parse_defence("probabilities+round:4").words
        'probabilities only, rounded to 4 digits'
    """
    steps: list[tuple[str, float]] = []
    limit = None
    for part in text.strip().split("+"):
        kind, colon, number = part.partition(":")
        value = _number(number) if colon else 0.0
        whole = value == int(value) if math.isfinite(value) else False
        if kind in ("float16", "probabilities") and not colon:
            steps.append((kind, 0.0))
        elif (kind == "noise" and 0 < value < math.inf) or (kind == "round" and colon and whole and 0 <= value <= 15):
            steps.append((kind, value))
        elif kind == "limit" and whole and value >= 1:
            limit = int(value)
        else:
            raise BadInput("defence", got=repr(text), expected=", ".join(_KINDS) + ", or several joined by +",
                           remedy="Write for example round:4 or probabilities+round:4.")
    if sum(kind == "probabilities" for kind, _ in steps) > 1:
        raise BadInput("defence", got=repr(text), expected="probabilities once at most", remedy="Leave one out.")
    return Defence(tuple(steps), limit)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


class Defended(Teacher):
    """A teacher behind a defence.

    Args:
        teacher: who is asked.
        defence: what its answers go through.
        sample: some of its answers ``(samples, outputs)``, from which noise takes its size.
        seed: of the noise.
    """

    def __init__(self, teacher: Teacher, defence: Defence, sample: np.ndarray, seed: int = 0) -> None:
        coarse = any(kind == "float16" for kind, _ in defence.steps)
        super().__init__(teacher.inputs, teacher.outputs, np.float16 if coarse else teacher.dtype,
                         f"{teacher.name} behind {defence.name}", fingerprint=teacher.fingerprint, asked=teacher.asked)
        self.batch, self.output = teacher.batch, None if defence.probabilities else teacher.output
        self._teacher, self._defence, self._left = teacher, defence, defence.limit
        self._rng = np.random.default_rng([seed, 8])
        self._spreads: list[float] = []
        for step in defence.steps:
            self._spreads.append(float(np.sqrt(np.mean((sample - sample.mean(axis=0)) ** 2))))
            sample = self._through(sample, *step, self._spreads[-1])

    def ask(self, x: np.ndarray) -> np.ndarray:
        """What is left of the teacher's answers.

        Raises:
            BudgetSpent: the limit is reached.
        """
        if self._left is not None:
            if len(x) > self._left:
                raise BudgetSpent(f"{self.name} answers {self._defence.limit} queries and no more")
            self._left -= len(x)
        y = self._teacher.ask(x)
        for step, spread in zip(self._defence.steps, self._spreads, strict=True):
            y = self._through(y, *step, spread)
        return y

    def _through(self, y: np.ndarray, kind: str, value: float, spread: float) -> np.ndarray:
        y = np.asarray(y)
        if kind == "round":
            return np.round(y.astype(np.float64), int(value))
        if kind == "noise":
            return y + value * spread * self._rng.normal(size=y.shape)
        if kind == "float16":
            with np.errstate(over="ignore"):  # too large: infinite, which is refused where it is asked
                return y.astype(np.float16)
        z = y.astype(np.float64)
        p = scipy.special.softmax(z, axis=1) if z.shape[1] > 1 else scipy.special.expit(z)
        return np.asarray(p.astype(y.dtype if y.dtype.kind == "f" else np.float64))
