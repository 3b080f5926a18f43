"""What the teacher's answers are: raw outputs, class probabilities (softmax) or single ones (logistic).

Probabilities of classes show themselves: they lie in [0, 1] and sum to 1 whatever is asked. A single
number in [0, 1] may be the raw output of a network that happens to stay there; it is taken for a
probability only where it never leaves [0, 1], far out neither, and either comes close to both ends or
its logits are what the outputs of a network are and the answers themselves are not.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.errors import TeacherError
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.noise import quantum
from expandcluster.queries.source import Source
from expandcluster.teachers.links import Link, link_of

__all__ = ["find_link"]

_FIRST, _MORE = 12, 64  # inputs of the first look and of each further one
_ENOUGH = 0.7  # share of the answers that must be usable before the inputs are no longer drawn in
_LEAST = 0.2  # of a table or of given inputs
_SHRINK = tuple(0.5**k for k in range(10))
_FAR = (1.0, 4.0, 16.0, 64.0)
_CLOSE = 0.01  # to 0 and to 1
_BENT = 1e-3  # of the spread: logits that are no plane
_FLAT = 1e-2  # what bends by less than this share of the other is flat
_VERY_FAR = 1000.0


def find_link(source: Source, output: str = "auto", progress: Progress = silent) -> Link:
    """The link between the network's outputs and the teacher's answers, and the answers' precision.

    Args:
        source: whom to ask; nothing is asked where the teacher is known to give raw outputs.
        output: ``"raw"``, ``"softmax"``, ``"logistic"``, or ``"auto"`` to tell from the answers.
        progress: told what was found, where it was not known before.

    Raises:
        TeacherError: the answers are labels or only the largest probabilities, are not what
            ``output`` says, or too few of them have digits left.
    """
    said = source.teacher.output if output == "auto" else output
    if said == "raw" and output == "auto":
        return Link()
    y = _first_look(source)
    if said is not None:
        _check(said, y, source)
        link, why = _fit(source, said), ""
    elif not len(y) or not _in_range(y) or not np.ptp(y, axis=0).any():
        return Link()
    elif _sum_to_one(y, source):
        link = _fit(source, "softmax")
        why = "the answers lie in [0, 1] and sum to 1: class probabilities, taken before their softmax"
    else:
        link, why = _perhaps_logistic(source, y)
    link = dataclasses.replace(link, why="; ".join(part for part in (why, link.why) if part))
    if link.why:
        progress(Event("link", link.why, {"shrink": link.shrink}))
    return link


def _first_look(source: Source) -> np.ndarray:
    """Answers to a few inputs; refuses labels."""
    first = y = _look(source, _FIRST, 1.0)
    if not len(y) or not _are_labels(y, source):
        return y
    if source.given is None and _in_range(y):  # zeros and ones that might be saturated
        for shrink in (1 / 8, 1 / 64):
            y = _look(source, _FIRST, shrink)
            if not np.array_equal(y, np.round(y)):
                return y
    one_hot = first.shape[1] > 1 and _in_range(first)
    raise TeacherError(
        "the teacher's answers", got="one-hot rows" if one_hot else "whole numbers, as class labels are",
        expected="numbers that vary with the input: raw outputs or all probabilities",
        remedy="A label tells only which output is largest, which many networks share; ask for all probabilities or "
               "the raw outputs (predict_proba, decision_function, the layer before the argmax).")


def _are_labels(y: np.ndarray, source: Source) -> bool:
    """Whole numbers, not all the same; in a table of measurements they must be few."""
    whole = bool(np.array_equal(y, np.round(y)) and np.ptp(y, axis=0).any())
    if source.chosen or not whole:
        return whole
    return source.options.noise == 0 and len(np.unique(y)) <= max(2, len(y) // 20)


def _check(kind: str, y: np.ndarray, source: Source) -> None:
    """Refuses answers that are not what the user or the teacher says they are."""
    if kind == "raw" or not len(y):
        return
    what, remedy = "the teacher's answers", "Say output='raw' for raw outputs, or leave it out to have it found."
    if not _in_range(y):
        worst = float(y.min() if -y.min() > y.max() - 1 else y.max())
        raise TeacherError(what, got=f"{worst:.3g}", expected=f"probabilities from 0 to 1 ({kind})", remedy=remedy)
    if kind == "softmax" and y.shape[1] == 1:
        raise TeacherError(what, got="one number each", expected="a probability for each of several classes (softmax)",
                           remedy="Say output='logistic' for a single probability.")
    if kind == "softmax" and not source.options.noisy and not source.options.noise and not _sum_to_one(y, source):
        sums = y.sum(axis=1)
        raise TeacherError(what, got=f"rows that sum to {sums[np.argmax(np.abs(sums - 1))]:.6g}",
                           expected="rows of all probabilities, that sum to 1 (softmax)",
                           remedy="Ask for all classes, not only the largest probabilities; say output='logistic' for "
                                  "independent probabilities, output='raw' for raw outputs.")


def _fit(source: Source, kind: str) -> Link:
    """The link of this kind, the inputs drawn in until most answers can be used."""
    if kind == "raw":
        return Link()
    given = source.given is not None
    most = 0  # answers other than 0 in a row
    for shrink in (1.0,) if given else _SHRINK:
        y = _look(source, _MORE, shrink)
        link = link_of(kind, y, source.teacher.dtype, shrink=shrink)
        share = float(np.mean(link.usable(y))) if len(y) else 1.0
        if share >= (_LEAST if given else _ENOUGH):
            return dataclasses.replace(link, why=_about(link, share, source))
        most = most or int(np.count_nonzero(y, axis=1).max())
    if kind == "softmax" and y.shape[1] > 2 and np.count_nonzero(y, axis=1).max() == most < y.shape[1]:
        raise _top_k(y)
    if link.step > link.epsilon:
        got = f"probabilities rounded to multiples of {link.step:.3g}, so that {share:.0%} of them can be used"
        remedy = "Ask for more digits, or for the raw outputs."
    else:
        got = f"probabilities so close to 0 or 1 that {share:.0%} of them can be used"
        remedy = "Ask other inputs, nearer to where the classes meet, or for the raw outputs."
    raise TeacherError("the teacher's answers", got=got, expected="most of them with half of their digits or more",
                       remedy=remedy)


def _about(link: Link, share: float, source: Source) -> str:
    """What a user should know of the answers' precision."""
    parts = []
    middle = "their middle" if source.sampler.center.any() else "0"
    if link.step > link.epsilon:
        parts.append(f"they are rounded to multiples of {link.step:.3g}")
    if link.shrink < 1.0:
        parts.append(f"inputs are drawn {1 / link.shrink:.0f} times closer to {middle}, where more of them have "
                     "digits left")
    if share < 1.0:
        parts.append(f"{1 - share:.0%} are too close to 0 or 1 to be used")
    return ", ".join(parts)


def _top_k(y: np.ndarray) -> TeacherError:
    return TeacherError("the teacher's answers",
                        got=f"probabilities of which at most {np.count_nonzero(y, axis=1).max()} of {y.shape[1]} are "
                        "not 0", expected="the probabilities of all classes",
                        remedy="Top-k answers do not determine the network; ask for all probabilities, or for the raw "
                               "outputs.")


def _perhaps_logistic(source: Source, y: np.ndarray) -> tuple[Link, str]:
    """Numbers in [0, 1] that do not sum to 1: what inputs far out, and short lines, tell of them."""
    doubt = ("the answers lie in [0, 1]: if they are probabilities, say output='logistic'; they are taken as raw "
             "outputs")
    if source.given is not None or source.available < 10 * _MORE * len(_FAR):
        return Link(), doubt
    far = np.concatenate([_look(source, _MORE, factor) for factor in _FAR])
    if not _in_range(far):
        return Link(), ""
    kept = np.count_nonzero(far, axis=1)
    if 0 < kept.max() < far.shape[1] and (far.sum(axis=1) <= 1.0 + 1e-6).all():
        raise _top_k(far)
    seen = link_of("logistic", far, source.teacher.dtype)
    told = _is_plane(source, seen) or _is_piecewise_linear(source, seen) or _is_odd(source, seen)
    if told == "raw":
        return Link(), ""
    close = (far.min(axis=0) <= _CLOSE) & (far.max(axis=0) >= 1 - _CLOSE)
    if not told and not close.all():
        return Link(), doubt
    wide = "at the edges of the box" if source.region.bounded else f"{_FAR[-1]:.0f} times as far out"
    return _fit(source, "logistic"), (
        f"the answers never leave [0, 1], also {wide}, and "
        f"{'their logits are those of a network' if told else 'come close to 0 and to 1'}: "
        "probabilities, taken before their logistic function")


def _is_plane(source: Source, seen: Link) -> str:
    """A plane of logits is what one neuron of a sigmoid kind answers: a raw output."""
    ends = _draw(source, _MORE, 1.0)
    half = len(ends) // 2
    _, z = _on(source, seen, [ends[:half], (ends[:half] + ends[half:]) / 2, ends[half:]])
    if not z.size:
        return ""
    bend = np.abs(z[0] - 2 * z[1] + z[2]).max()
    return "raw" if bend <= _BENT * np.ptp(z) else ""


def _is_piecewise_linear(source: Source, seen: Link) -> str:
    """Which is it, the answers or their logits: so are the outputs of ReLU networks, of any depth."""
    x = _draw(source, _MORE, 1.0)
    step = seen.epsilon**0.25 * source.sampler.unit * np.random.default_rng(1).normal(size=x.shape)
    x = np.clip(x, source.region.low + np.abs(step), source.region.high - np.abs(step))
    bends = [_median(v[0] - 2 * v[1] + v[2]) / max(_median(v[0] - v[2]), 1e-300)
             for v in _on(source, seen, [x - step, x, x + step])]
    return _flat(*bends, least=100 * seen.epsilon**0.75)


def _is_odd(source: Source, seen: Link) -> str:
    """Which is it, very far out and but for a constant: so are the outputs of one layer of sigmoid neurons."""
    if np.isfinite(source.region.low).any() or np.isfinite(source.region.high).any():
        return ""
    x = _draw(source, _MORE, _VERY_FAR)
    y, z = _on(source, seen, [x, 2 * source.sampler.center - x])
    if y.shape[1] < len(x) / 2:
        return ""
    return _flat(*(_median(v[0] + v[1] - np.median(v[0] + v[1], axis=0)) / max(float(np.std(v)), 1e-3)
                   for v in (y, z)), least=_BENT)


def _median(values: np.ndarray) -> float:
    """Median of the absolute values; 0 if there are none."""
    return float(np.median(np.abs(values))) if values.size else 0.0


def _flat(answers: float, logits: float, *, least: float) -> str:
    """The one that does not bend where the other does, by ``least`` or more; neither if that cannot be told."""
    if answers >= least and logits <= _FLAT * answers:
        return "logistic"
    return "raw" if logits >= least and answers <= _FLAT * logits else ""


def _on(source: Source, seen: Link, points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Answers and logits ``(points, samples, outputs)`` at several points for each sample, where all can be used."""
    y = source.ask(source.region.nearest(np.concatenate(points)))
    z = seen.undo(y).reshape(len(points), -1, y.shape[1])
    good = np.isfinite(z).all(axis=(0, 2))
    return y.reshape(z.shape)[:, good], z[:, good]


def _in_range(y: np.ndarray) -> bool:
    return bool(((y >= 0) & (y <= 1)).all())


def _sum_to_one(y: np.ndarray, source: Source) -> bool:
    if y.shape[1] == 1:
        return False
    link = link_of("softmax", y, source.teacher.dtype)
    tolerance = max(1e-6, y.shape[1] * max(4 * link.epsilon, link.step, float(quantum(y).max())))
    return bool((np.abs(y.sum(axis=1) - 1.0) <= tolerance).all())


def _look(source: Source, count: int, factor: float) -> np.ndarray:
    """Answers to ``count`` inputs, ``factor`` times as far out as usual; those of a table are its own."""
    if not source.chosen:
        return source.full(0).y
    x = _draw(source, min(count, source.available // 8), factor)
    return source.ask(x) if len(x) else np.zeros((0, source.teacher.outputs))


def _draw(source: Source, count: int, factor: float) -> np.ndarray:
    """The first inputs that the probe asks too, moved away from their center, or the first that may be asked."""
    if source.inputs is not None:
        return source.inputs[:count]
    x = source.sampler.scaled(min(factor, 1.0)).draw(np.random.default_rng(0), _MORE)[:count]
    return source.region.nearest(source.sampler.center + max(factor, 1.0) * (x - source.sampler.center))
