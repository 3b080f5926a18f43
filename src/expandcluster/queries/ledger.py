"""Every answer is checked, counted against the budget and stored before it is used; nothing is asked twice."""

from __future__ import annotations

import numpy as np

from expandcluster.errors import BudgetSpent, TeacherError
from expandcluster.queries.answers import Answers
from expandcluster.teachers.base import Teacher

__all__ = ["Ledger"]


class Ledger:
    """Asks a teacher in batches and keeps count.

    Args:
        teacher: whom to ask.
        budget: hard limit on the inputs asked, ``None`` for none.
        answers: where answers are kept; ``None`` keeps none.
    """

    def __init__(self, teacher: Teacher, budget: int | None, answers: Answers | None) -> None:
        self.teacher, self.budget, self.answers = teacher, budget, answers
        self._asked = teacher.asked

    @property
    def queries(self) -> int:
        """How many inputs this run has asked."""
        return self._asked if self.answers is None else self.teacher.asked + self.answers.used

    @property
    def available(self) -> int:
        """How many more inputs may be asked."""
        return 2**62 if self.budget is None else max(self.budget - self.queries, 0)

    def affordable(self, x: np.ndarray) -> int:
        """How many rows of ``x``, from the first, the budget allows; what this run asked before is free."""
        if self.budget is None or not len(x):
            return len(x)
        if self.answers is None:
            return min(len(x), self.available)
        cost = np.cumsum(self.answers.unused(self.answers.keys(x)))
        return int(np.searchsorted(cost, self.available, side="right"))

    def ask(self, x: np.ndarray, *, again: int = 0) -> np.ndarray:
        """Answers ``(samples, outputs)`` to ``x`` ``(samples, inputs)``.

        Args:
            x: inputs.
            again: 1, 2, ... to ask what was asked before once more, on purpose.

        Raises:
            BudgetSpent: the budget does not allow so many.
            TeacherError: an answer is not finite or of the wrong shape.
        """
        x = np.ascontiguousarray(x, dtype=np.float64)
        if self.answers is None:
            self._check_budget(len(x))
            self._asked += len(x)
            batch = self.teacher.batch
            return np.concatenate([self._answer(x[i : i + batch]) for i in range(0, len(x), batch)])
        keys = self.answers.keys(x, again)
        self._check_budget(int(self.answers.unused(keys).sum()))
        new = {keys[i]: i for i in np.flatnonzero(self.answers.missing(keys))}  # each input once
        rows = list(new.values())
        for start in range(0, len(rows), self.teacher.batch):
            part = rows[start : start + self.teacher.batch]
            self.answers.add([keys[i] for i in part], self._answer(x[part]))
        return self.answers.get(keys)

    def _check_budget(self, count: int) -> None:
        if count > self.available:
            raise BudgetSpent(f"the query budget of {self.budget} does not allow {count} more after {self.queries}; "
                              "raise max_queries")

    def _answer(self, batch: np.ndarray) -> np.ndarray:
        y = np.asarray(self.teacher.ask(batch), dtype=np.float64)
        expected = (len(batch), self.teacher.outputs)
        if y.shape != expected:
            raise TeacherError("the teacher's answers", got=f"shape {y.shape}", expected=f"shape {expected}",
                               remedy="The teacher must answer every input with one row of outputs.")
        if not np.isfinite(y).all():
            bad = int((~np.isfinite(y)).any(axis=1).sum())
            raise TeacherError("the teacher's answers", got=f"{bad} of {len(y)} answers that are NaN or infinite",
                               expected="finite numbers", remedy="Ask with a smaller scale, or mend the teacher.")
        return y
