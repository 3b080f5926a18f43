"""Train students side by side, here or elsewhere; what a killed run has reached is not trained again."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from expandcluster.checkpoints import fingerprint, in_use
from expandcluster.engines.base import engine_in_use
from expandcluster.engines.local import LocalEngine
from expandcluster.expand.training import End, Student, Training, train_for
from expandcluster.precision import in_float64
from expandcluster.threads import one_thread_each

__all__ = ["split", "train_all"]

_SLICE = 1.0  # seconds between two chances to stop
_SENT = 15.0  # seconds of training of a student that is sent elsewhere
_SIDE_BY_SIDE = 8  # students that are trained at once, on one accelerator or shared out over several


def split(theta: np.ndarray, free: np.ndarray) -> list[Student]:
    """Students ``(students, parameters)`` in the groups that are trained as one program, whatever the engine.

    One each on a processor; eight on an accelerator, fewer where there are several of them. Which others a student is
    grouped with may change its last bit.
    """
    size = 1 if jax.default_backend() == "cpu" else max(1, _SIDE_BY_SIDE // jax.local_device_count())
    return [Student(theta[i : i + size], free[i : i + size]) for i in range(0, len(theta), size)]


def train_all(students: Sequence[Student], training: Training, work: float) -> list[End]:
    """Where each student's training ends.

    Args:
        students: at their start.
        training: how each of them is trained.
        work: floating-point operations of a step, about.
    """
    checkpoints, engine = in_use(), engine_in_use()
    ends: dict[int, End] = {}
    keys = [""] * len(students)
    stored: dict[int, dict[str, np.ndarray]] = {}
    if checkpoints is not None:
        common = fingerprint(training)
        keys = [fingerprint(common, student.theta, student.free) for student in students]
        for place, key in enumerate(keys):
            finished, state = checkpoints.finished(key), checkpoints.state(key)
            if finished is not None:
                ends[place] = End(**finished)
            elif state is not None:
                stored[place] = state
    places = [place for place in range(len(students)) if place not in ends]

    def heard(place: int, student: Student) -> Student | None:
        key = keys[places[place]]
        if student.end is not None:
            ends[places[place]] = student.end
            if checkpoints is not None:
                checkpoints.finish(key, {name: np.asarray(a) for name, a in student.end._asdict().items()})
            return None
        state = None if checkpoints is None else student.state if sent else training.stored(student.state)
        if checkpoints is not None and state is not None:
            checkpoints.keep(key, state)
        return student

    sent = len(students) > 1 and engine.least_work is not None and work >= engine.least_work
    tasks = [students[place] for place in places]
    if sent:
        seconds = _SENT if checkpoints is None else min(_SENT, checkpoints.interval / 2)
        tasks = [dataclasses.replace(students[place], state=stored.get(place)) for place in places]
        engine.map(functools.partial(_train_elsewhere, training=training, seconds=seconds), tasks, heard)
    else:
        seconds = _SLICE if checkpoints is None else checkpoints.slice
        tasks = [dataclasses.replace(students[place], state=training.restored(stored[place]))
                 if place in stored else students[place] for place in places]
        devices = [None] if jax.default_backend() == "cpu" else jax.local_devices()
        tasks = [dataclasses.replace(task, device=devices[i % len(devices)]) for i, task in enumerate(tasks)]
        here = engine if isinstance(engine, LocalEngine) else LocalEngine()
        with one_thread_each(len(students)):
            here.map(functools.partial(train_for, training=training, seconds=seconds), tasks, heard)
    return [ends[place] for place in range(len(students))]


@in_float64
def _train_elsewhere(student: Student, training: Training, seconds: float) -> Student:
    """As :func:`train_for`; the state comes and goes as it is stored."""
    if student.state is not None:
        student = dataclasses.replace(student, state=training.restored(student.state))
    with one_thread_each(2):  # this one, and others elsewhere
        student = train_for(student, training, seconds)
    return dataclasses.replace(student, state=training.stored(student.state) if student.end is None else None)
