"""Links: what stands between a network's outputs and a teacher's answers, and how it is undone.

``softmax``: probabilities ``p`` of classes become ``log p`` minus its mean over the classes, which is
what a network with a centred output layer computes. ``logistic``: each probability becomes
``log p - log(1 - p)``. The logarithm of a probability is only as exact as the probability's own
digits, so answers that have lost more than half of them count as saturated and are left out.
"""

from __future__ import annotations

import dataclasses
import difflib

import numpy as np

from expandcluster.errors import BadInput

__all__ = ["LINKS", "Link", "check_output", "hidden_by", "link_of"]

LINKS = ("raw", "softmax", "logistic")
_HIDDEN = {
    "raw": "",
    "softmax": "one common shift of the output layer: the same vector added to every row of its weights, and the "
               "same number to every bias, changes no answer; the output layer given here is the centred one",
    "logistic": "",
}
_OTHER_NAMES = {"sigmoid": "logistic", "probabilities": "softmax", "logits": "raw", "linear": "raw", "identity": "raw"}
# Steps that answers may be multiples of: decimals, eight and sixteen bits, and what is left of 1 - p.
_STEPS = tuple(sorted((*(10.0**-k for k in range(1, 13)), 1 / 255, 1 / 256, 1 / 65535, 1 / 65536), reverse=True))
_UNIFORM = 12.0**-0.5  # standard deviation of a rounding error over its step


@dataclasses.dataclass(frozen=True)
class Link:
    """How a teacher's answers come from its network's outputs, and with how many digits.

    Attributes:
        kind: ``"raw"``, ``"softmax"`` or ``"logistic"``.
        epsilon: relative rounding of the answers.
        smallest: smallest answer that still has all its digits.
        step: what the answers are multiples of; 0 for answers in floating point.
        shrink: what the scale of the inputs is multiplied by, so that most answers can be used.
        why: how it was told, for a person; empty where it was known.
    """

    kind: str = "raw"
    epsilon: float = 2.0**-52
    smallest: float = 2.0**-1022
    step: float = 0.0
    shrink: float = 1.0
    why: str = ""

    def undo(self, y: np.ndarray) -> np.ndarray:
        """The network's outputs behind the answers ``(samples, outputs)``; NaN in rows that cannot be used."""
        if self.kind == "raw":
            return y
        z = np.full(y.shape, np.nan)
        good = self.usable(y)
        z[good] = np.log(y[good])
        if self.kind == "softmax":
            return z - z.mean(axis=1, keepdims=True)
        z[good] -= np.log1p(-y[good])
        return z

    def usable(self, y: np.ndarray) -> np.ndarray:
        """Which answers ``(samples, outputs)`` have kept half of their digits, ``(samples,)``."""
        if self.kind == "raw":
            return np.ones(len(y), bool)
        with np.errstate(invalid="ignore"):
            return self._good(y, 1.0 - y)

    def free(self, outputs: int) -> int:
        """How many of so many outputs do not follow from the others: those before a softmax sum to 0."""
        return outputs - 1 if self.kind == "softmax" else outputs

    def stretch(self, y: np.ndarray) -> np.ndarray:
        """How much larger an error of the answers ``(samples, outputs)`` is in the network's outputs."""
        if self.kind == "raw":
            return np.ones(y.shape)
        return 1.0 / y + (1.0 / (1.0 - y) if self.kind == "logistic" else 0.0)

    def reached(self, z: np.ndarray) -> np.ndarray:
        """Which outputs ``(samples, outputs)`` of a network would give answers that can be used, ``(samples,)``."""
        return np.ones(len(z), bool) if self.kind == "raw" else self._good(*self._answers(z))

    def noise(self, z: np.ndarray) -> float:
        """Root mean square of what the answers' rounding does to the outputs ``(samples, outputs)``."""
        if self.kind == "raw" or not z.size:
            return 0.0
        return _UNIFORM * float(np.sqrt(np.mean(self._error(*self._answers(z)) ** 2)))

    def _good(self, p: np.ndarray, rest: np.ndarray) -> np.ndarray:
        enough = np.sqrt(max(self.epsilon, self.step))
        inside = (p >= self.smallest) & (p <= 1.0) & (self._error(p, rest) <= enough)
        return np.asarray(inside.all(axis=1))

    def _error(self, p: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Width of the rounding of an output whose answer is ``p``; ``rest`` is 1 - p."""
        width = np.maximum(self.epsilon * p, self.step)
        with np.errstate(divide="ignore", invalid="ignore"):
            return width / p + (width / rest if self.kind == "logistic" else 0.0)

    def _answers(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.kind == "softmax":
            p = np.exp(z - z.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            return p, 1.0 - p
        small = np.exp(-np.abs(z))
        less, more = small / (1.0 + small), 1.0 / (1.0 + small)
        return np.where(z < 0, less, more), np.where(z < 0, more, less)


def link_of(kind: str, y: np.ndarray, dtype: np.dtype, *, shrink: float = 1.0, why: str = "") -> Link:
    """The link of a kind, with the precision seen in answers ``(samples, outputs)`` of a teacher of ``dtype``.

    A teacher may compute in less than the type its answers come in, or round them; a column that was
    computed as 1 minus the others has no digits beyond the place where those end.
    """
    inside = (y > 0) & (y < 1)
    if not inside.any():
        info = np.finfo(dtype)
        return Link(kind, float(info.eps), float(info.tiny), 0.0, shrink, why)
    coarser = (np.float16, np.float32, np.float64)
    seen = next(t for t in coarser if t == np.float64 or np.array_equal(y[inside], y[inside].astype(t)))
    info = np.finfo(min((np.dtype(seen), np.dtype(dtype)), key=lambda t: t.itemsize))
    steps = [_step(column[column_inside], float(info.eps)) for column, column_inside in zip(y.T, inside.T, strict=True)
             if column_inside.any()]
    return Link(kind, float(info.eps), float(info.tiny), max(steps), shrink, why)


def _step(p: np.ndarray, epsilon: float) -> float:
    """The largest listed step that all probabilities ``(samples,)`` are multiples of; 0 if there is none."""
    for step in (*(s for s in _STEPS if s > 4 * epsilon), epsilon / 2):
        if (np.abs(p - step * np.round(p / step)) <= (epsilon * p if step > epsilon else 0.0)).all():
            return float(step)
    return 0.0


def check_output(output: object, *, also: str | None = None) -> None:
    """Refuses what is no kind of output.

    Args:
        output: what the user said.
        also: another word that is allowed.

    Raises:
        BadInput: it is none; a near one is suggested.
    """
    allowed = [*LINKS, *([also] if also is not None else [])]
    if output not in allowed:
        near = difflib.get_close_matches(str(output).lower(), [*allowed, *_OTHER_NAMES], 1)
        meant = f"Did you mean '{_OTHER_NAMES.get(near[0], near[0])}'?" if near else "Say what the teacher answers."
        raise BadInput("output", got=repr(output), expected=f"{', '.join(allowed[:-1])} or {allowed[-1]}", remedy=meant)


def hidden_by(kind: str) -> str:
    """What a link hides of the network, in words; empty if it hides nothing."""
    return _HIDDEN[kind]
