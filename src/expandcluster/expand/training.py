"""A student's training in pieces: between two of them it can be stored, stopped and moved.

The program of a piece does not know how long the piece is, and what is stored is exact: a student trained
in many pieces, some of them after a kill, ends in the same parameters to the last bit as one trained at once.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from expandcluster.networks import Array
from expandcluster.precision import in_float64

__all__ = ["End", "InOnePiece", "SideBySide", "Student", "Training", "train_for"]

_FASTER = 4  # times as many steps in the next piece, at most


class End(NamedTuple):
    """Where one student's training ended.

    Attributes:
        theta: parameters ``(parameters,)``.
        loss: in the trainer's own unit.
        gradient_norm: norm of the gradient of that loss.
        steps: steps taken.
        status: a :class:`Status`; failed students and those at the floor are told from the loss.
        curve: losses on the way, thinned, see :class:`expandcluster.expand.loss_curve.Curve`.
        stride: steps from one of them to the next.
    """

    theta: Array
    loss: Array | float
    gradient_norm: Array | float
    steps: Array | int
    status: Array | int
    curve: Array
    stride: Array | int


class Training(Protocol):
    """How one student is trained; a frozen dataclass whose fields say everything it depends on.

    Arrays may have an axis in front, for students side by side; :meth:`go_on` is vectorised over it.
    """

    def begin(self, theta: jax.Array, free: jax.Array) -> Any:
        """The first state, from parameters and ``free_parameters``."""

    def go_on(self, state: Any, free: jax.Array, steps: int) -> Any:
        """The state after so many more steps, or at the end; the one passed must not be used again."""

    def ended(self, state: Any, free: jax.Array) -> End | None:
        """Where it ended; ``None`` as long as it goes on."""

    def stored(self, state: Any) -> dict[str, np.ndarray] | None:
        """What :meth:`restored` needs to go on in the same way; ``None`` where a training is all or nothing."""

    def restored(self, stored: dict[str, np.ndarray]) -> Any:
        """The state that was stored."""


@dataclasses.dataclass(frozen=True, eq=False)
class InOnePiece:
    """A training that knows no pieces.

    Attributes:
        run: from parameters and ``free_parameters`` to the :class:`End`; a partial of a module's function.
    """

    run: Callable[[jax.Array, jax.Array], End]

    def begin(self, theta: jax.Array, free: jax.Array) -> jax.Array:
        return theta

    def go_on(self, state: jax.Array, free: jax.Array, steps: int) -> End:
        return self.run(state, free)

    def ended(self, state: jax.Array | End, free: jax.Array) -> End | None:
        return End(*(np.asarray(a) for a in state)) if isinstance(state, End) else None

    def stored(self, state: Any) -> None:
        return None

    def restored(self, stored: dict[str, np.ndarray]) -> Any:
        raise NotImplementedError("nothing is stored of a training in one piece")


@dataclasses.dataclass(frozen=True, eq=False)
class SideBySide:
    """Several students as one vectorised program, for accelerators; it ends when all of them have.

    Attributes:
        each: the training of one student.
    """

    each: Training

    def begin(self, theta: jax.Array, free: jax.Array) -> Any:
        return self.each.begin(theta, free)

    def go_on(self, state: Any, free: jax.Array, steps: int) -> Any:
        return jax.vmap(lambda state, free: self.each.go_on(state, free, steps))(state, free)

    def ended(self, state: Any, free: jax.Array) -> End | None:
        return self.each.ended(state, free)

    def stored(self, state: Any) -> dict[str, np.ndarray] | None:
        return self.each.stored(state)

    def restored(self, stored: dict[str, np.ndarray]) -> Any:
        return self.each.restored(stored)


@dataclasses.dataclass(frozen=True, eq=False)
class Student:
    """A student, or several side by side, on its way.

    Attributes:
        theta: its first parameters.
        free: 1 for parameters that may move.
        state: of its training; ``None`` before the first piece.
        end: where its training ended; ``None`` as long as it goes on.
        pace: steps of the next piece.
        device: where it is trained; ``None`` for JAX's default.
    """

    theta: Array
    free: Array
    state: Any = None
    end: End | None = None
    pace: int = 1
    device: jax.Device | None = None


@in_float64  # set for each thread in JAX
def train_for(student: Student, training: Training, seconds: float) -> Student:
    """Train a student for about so many seconds, for one step at least, or to its end."""
    with jax.default_device(student.device):
        free, start, pace = jax.numpy.asarray(student.free), time.perf_counter(), student.pace
        state = training.begin(jax.numpy.asarray(student.theta), free) if student.state is None else student.state
        left = seconds
        while (end := training.ended(state, free)) is None and left > 0:
            before = time.perf_counter()
            state = training.go_on(state, free, pace)
            jax.block_until_ready(state)
            now = time.perf_counter()
            left = seconds - (now - start)
            pace = max(1, min(_FASTER * pace, int(pace * max(left, seconds / 2) / (now - before))))
        return dataclasses.replace(student, state=state, end=end, pace=pace)
