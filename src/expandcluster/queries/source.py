"""Where samples come from: a teacher that may be asked, or a table of answers."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.expand.population import Samples
from expandcluster.options import QueryOptions
from expandcluster.queries.answers import Answers
from expandcluster.queries.ledger import Ledger
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.links import Link
from expandcluster.teachers.table import TableTeacher

__all__ = ["Source", "open_source"]

_BLOCK = 384  # rows drawn from one seed, so that a row does not depend on how many are drawn with it
_MOST_UNUSABLE = 50  # inputs asked for each that can be used


class Source:
    """A seeded stream of queries of one teacher.

    Once ``basis`` ``(inputs, rank)`` is set, training and held-out samples lie in the subspace it
    spans, and hold the coordinates there.

    Args:
        teacher: whom to ask.
        options: scale of the inputs and budget.
        seed: of the stream.
        inputs: rows ``(samples, inputs)`` to ask instead of Gaussian ones.
        answers: where answers are kept; see :class:`Ledger`.
        wide: draw a third of the inputs three times as far out, where the kinks of piecewise-linear
            neurons are met that are seldom met near the origin.
    """

    chosen = True

    def __init__(self, teacher: Teacher, options: QueryOptions, seed: int, inputs: np.ndarray | None = None,
                 answers: Answers | None = None, wide: bool = False) -> None:
        self.teacher, self.options, self.inputs, self.wide = teacher, options, inputs, wide
        self.ledger = Ledger(teacher, options.max_queries, answers)
        self.link = Link()
        self.floor = 0.0
        self.basis: np.ndarray | None = None
        self.drawn = 0  # training samples that students have used
        self.extra = np.zeros((0, teacher.inputs))  # chosen inputs that join the samples
        self._seed = seed
        self._extra_answers = np.zeros((0, teacher.outputs))
        self._streams: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._at: dict[str, int] = {}  # rows of each stream that were asked

    @property
    def queries(self) -> int:
        """How many inputs were asked."""
        return self.ledger.queries

    @property
    def available(self) -> int:
        """How many more inputs may be asked."""
        return self.ledger.available

    def ask(self, x: np.ndarray, *, again: int = 0) -> np.ndarray:
        """What the network behind the link puts out, see :meth:`Ledger.ask`; NaN in rows that cannot be used."""
        return self.link.undo(self.ledger.ask(x, again=again))

    def use(self, link: Link) -> None:
        """From now on take the answers before this link, and draw the inputs in as it says."""
        self.link = link
        self.options = dataclasses.replace(self.options, scale=self.options.scale * link.shrink)

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """Inputs as the teacher gets to see them in its own precision."""
        return x.astype(self.teacher.dtype).astype(np.float64)

    def samples(self, count: int) -> Samples:
        """The first ``count`` training samples of the stream (fewer where the budget or a table ends)."""
        samples = self._stream("train", count)
        self.drawn = max(self.drawn, len(samples.x))
        return self._with_extra(samples, inside=self.basis is not None)

    def held_out(self, count: int) -> Samples:
        """Samples that no student is trained on."""
        return self._stream("held out", count)

    def full(self, count: int) -> Samples:
        """At least ``count`` training samples in the teacher's input space, with all that were asked before."""
        samples = self._stream("train", max(count, self.drawn)) if self.basis is None else self._stream("full", count)
        return self._with_extra(samples, inside=False)

    def add(self, x: np.ndarray) -> np.ndarray:
        """Answers to chosen inputs ``(samples, inputs)``, which join the samples.

        As many as the budget allows, without those that cannot be used: the last of ``extra``.
        """
        x, answers = self.usable(x[: self.ledger.affordable(x)])
        self.extra = np.concatenate([self.extra, x])
        self._extra_answers = np.concatenate([self._extra_answers, answers])
        return answers

    def restore(self, extra: np.ndarray) -> None:
        """Go on as after an earlier sitting that had chosen the inputs ``extra``."""
        self.add(extra[len(self.extra) :])

    def _with_extra(self, samples: Samples, *, inside: bool) -> Samples:
        if not len(self.extra):
            return samples
        extra = self.extra @ self.basis if inside and self.basis is not None else self.extra
        return Samples(np.concatenate([samples.x, extra]), np.concatenate([samples.y, self._extra_answers]), self.floor)

    def candidates(self, count: int, round_: int) -> np.ndarray:
        """Inputs ``(at most count, inputs)`` that may be asked: a seeded draw, half of it three times as far out."""
        if self.inputs is not None:
            return self.inputs[np.random.default_rng([self._seed, 6, round_]).permutation(len(self.inputs))[:count]]
        rng = np.random.default_rng([self._seed, 6, round_])
        x = rng.normal(size=(count, self.teacher.inputs if self.basis is None else self.basis.shape[1]))
        x[::2] *= 3.0
        return self.rounded(self.options.scale * (x if self.basis is None else x @ self.basis.T))

    def check(self, count: int) -> Samples:
        """Held-out samples in the teacher's input space; a third of chosen ones lie three times as far out."""
        return self._stream("check", count)

    def _stream(self, name: str, count: int) -> Samples:
        width = self.teacher.inputs
        x, y = self._streams.get(name, (np.zeros((0, width)), np.zeros((0, self.teacher.outputs))))
        while count > len(x):
            at = self._at.get(name, 0)
            fresh = self._draw(name, at, at + count - len(x))
            fresh = fresh[: self.ledger.affordable(fresh)]
            if not len(fresh) or at > _MOST_UNUSABLE * count + 1000:
                break
            kept, answers = self.usable(fresh)
            x, y = np.concatenate([x, kept]), np.concatenate([y, answers])
            self._streams[name], self._at[name] = (x, y), at + len(fresh)
        x, y = x[:count], y[:count]
        if self.basis is not None and name in ("train", "held out"):
            x = x @ self.basis
        return Samples(x, y, self.floor)

    def usable(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the inputs ``x`` whose answers can be used, and the answers."""
        if not len(x):
            return x, np.zeros((0, self.teacher.outputs))
        y = self.ask(x)
        good = np.isfinite(y).all(axis=1)
        return (x, y) if good.all() else (x[good], y[good])

    def _draw(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a stream."""
        if self.inputs is not None:
            held = np.arange(len(self.inputs)) % 5 == 1
            return self.inputs[held if name in ("held out", "check") else ~held][start:stop]
        inside = self.basis is not None and name in ("train", "held out")
        key = ("train", "held out", "full", "check").index(name)
        width = self.basis.shape[1] if self.basis is not None and inside else self.teacher.inputs
        blocks = []
        for block in range(start // _BLOCK, -(-stop // _BLOCK)):
            rng = np.random.default_rng([self._seed, key, block, int(inside)])
            rows = rng.normal(size=(_BLOCK, width)) * self.options.scale
            if name == "check" or self.wide:
                rows[::3] *= 3.0
            blocks.append(rows)
        first = start // _BLOCK * _BLOCK
        x = np.concatenate(blocks)[start - first : stop - first]
        return self.rounded(x @ self.basis.T if self.basis is not None and inside else x)


class TableSource(Source):
    """A table of inputs and answers: nothing can be asked, a tenth is held out."""

    chosen = False

    teacher: TableTeacher

    def __init__(self, teacher: TableTeacher, options: QueryOptions, seed: int) -> None:
        super().__init__(teacher, options, seed)
        order = np.random.default_rng([seed, 4]).permutation(len(teacher.x))
        held = max(len(order) // 10, 2)
        limit = options.max_queries or len(order)
        self._used = min(len(order), limit)
        self._rows = {"held out": order[:held], "check": order[:held], "train": order[held:limit]}

    @property
    def queries(self) -> int:
        """Rows of the table that are used."""
        return self._used

    @property
    def available(self) -> int:
        """Nothing can be asked."""
        return 0

    def full(self, count: int) -> Samples:
        """All rows that are not held out."""
        return self._stream("train", len(self.teacher.x))

    def candidates(self, count: int, round_: int) -> np.ndarray:
        """Nothing may be asked."""
        return self.teacher.x[:0]

    def _stream(self, name: str, count: int) -> Samples:
        rows = self._rows[name]
        y = self.link.undo(self.teacher.y[rows])
        good = np.isfinite(y).all(axis=1)
        return Samples(self.teacher.x[rows][good][:count], y[good][:count], self.floor)


def open_source(teacher: Teacher, options: QueryOptions, seed: int, inputs: np.ndarray | None = None,
                answers: Answers | None = None, wide: bool = False) -> Source:
    """The source of samples of a teacher.

    Raises:
        BadInput: ``inputs`` do not fit the teacher.
    """
    if isinstance(teacher, TableTeacher):
        return TableSource(teacher, options, seed)
    if inputs is not None:
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != teacher.inputs or len(inputs) < 10 or not np.isfinite(inputs).all():
            raise BadInput("inputs", got=f"an array of shape {inputs.shape}",
                           expected=f"at least 10 finite rows of {teacher.inputs} numbers",
                           remedy="Give one query in each row.")
    return Source(teacher, options, seed, inputs, answers, wide)
