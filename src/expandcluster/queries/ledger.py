"""Every answer is checked, counted against the budget and stored before it is used; nothing is asked twice."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from expandcluster.errors import BudgetSpent, TeacherError
from expandcluster.teachers.base import Teacher

__all__ = ["Ledger"]

_BATCH = 4096


class Ledger:
    """Asks a teacher in batches and keeps the answers.

    Args:
        teacher: whom to ask.
        budget: hard limit on the inputs asked, ``None`` for none.
        folder: where answers are kept; ``None`` keeps nothing beyond this object's life.
    """

    def __init__(self, teacher: Teacher, budget: int | None, folder: Path | None) -> None:
        self.teacher, self.budget, self.folder = teacher, budget, folder
        self.queries = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob("*.npy"):
                self.queries += int(np.load(path, mmap_mode="r").shape[0])

    @property
    def available(self) -> int:
        """How many more inputs may be asked."""
        return 2**62 if self.budget is None else self.budget - self.queries

    def ask(self, x: np.ndarray, *, again: int = 0) -> np.ndarray:
        """Answers ``(samples, outputs)`` to ``x`` ``(samples, inputs)``.

        Args:
            x: inputs.
            again: 1, 2, ... to ask what was asked before once more, on purpose.

        Raises:
            BudgetSpent: the budget does not allow so many.
            TeacherError: an answer is not finite or of the wrong shape.
        """
        parts = []
        for start in range(0, len(x), _BATCH):
            batch = np.ascontiguousarray(x[start : start + _BATCH], dtype=np.float64)
            parts.append(self._one(batch, again))
        return np.concatenate(parts)

    def _one(self, batch: np.ndarray, again: int) -> np.ndarray:
        path = None
        if self.folder is not None:
            path = self.folder / f"{hashlib.sha256(batch.tobytes() + bytes([again])).hexdigest()[:32]}.npy"
            if path.exists():
                return np.asarray(np.load(path))
        if len(batch) > self.available:
            raise BudgetSpent(f"the query budget of {self.budget} does not allow {len(batch)} more "
                              f"after {self.queries}; raise max_queries")
        y = self._checked(np.asarray(self.teacher.ask(batch), dtype=np.float64), len(batch))
        if path is not None:
            _store(path, y)
        self.queries += len(batch)
        return y

    def _checked(self, y: np.ndarray, count: int) -> np.ndarray:
        expected = (count, self.teacher.outputs)
        if y.shape != expected:
            raise TeacherError("the teacher's answers", got=f"shape {y.shape}", expected=f"shape {expected}",
                               remedy="The teacher must answer every input with one row of outputs.")
        if not np.isfinite(y).all():
            bad = int((~np.isfinite(y)).any(axis=1).sum())
            raise TeacherError("the teacher's answers", got=f"{bad} of {count} answers that are NaN or infinite",
                               expected="finite numbers", remedy="Ask with a smaller scale, or mend the teacher.")
        return y


def _store(path: Path, y: np.ndarray) -> None:
    """Write a file at once or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        np.save(file, y)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
