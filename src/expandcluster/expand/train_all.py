"""Train students side by side; what a killed run has reached is not trained again."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from expandcluster.checkpoints import fingerprint, in_use
from expandcluster.engines.local import LocalEngine
from expandcluster.expand.training import End, Student, Training, train_for

__all__ = ["train_all"]

_SLICE = 1.0  # seconds between two chances to stop


def train_all(students: Sequence[Student], training: Training) -> list[End]:
    """Where each student's training ends.

    Args:
        students: at their start.
        training: how each of them is trained.
    """
    checkpoints = in_use()
    ends: dict[int, End] = {}
    keys = [""] * len(students)
    todo = dict(enumerate(students))
    if checkpoints is not None:
        common = fingerprint(training)
        keys = [fingerprint(common, student.theta, student.free) for student in students]
        for place, key in enumerate(keys):
            finished, state = checkpoints.finished(key), checkpoints.state(key)
            if finished is not None:
                ends[place] = End(**finished)
                del todo[place]
            elif state is not None:
                todo[place] = dataclasses.replace(students[place], state=training.restored(state))

    def heard(place: int, student: Student) -> Student | None:
        place = places[place]
        if student.end is not None:
            ends[place] = student.end
            if checkpoints is not None:
                checkpoints.finish(keys[place], {name: np.asarray(a) for name, a in student.end._asdict().items()})
            return None
        stored = None if checkpoints is None else training.stored(student.state)
        if checkpoints is not None and stored is not None:
            checkpoints.keep(keys[place], stored)
        return student

    places = list(todo)
    seconds = _SLICE if checkpoints is None else checkpoints.slice
    LocalEngine().map(functools.partial(train_for, training=training, seconds=seconds), list(todo.values()), heard)
    return [ends[place] for place in range(len(students))]
