"""What trainers share: the samples, the result for every student, and the contract."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Protocol

import numpy as np

from expandcluster.activations import Activation
from expandcluster.networks import Population

__all__ = ["Samples", "Status", "TrainedPopulation", "Trainer"]


@dataclasses.dataclass(frozen=True)
class Samples:
    """Queries and the teacher's answers.

    Attributes:
        x: inputs ``(samples, inputs)``.
        y: answers ``(samples, outputs)``.
        floor: relative loss below which a student imitates as well as the teacher's precision allows.
    """

    x: np.ndarray
    y: np.ndarray
    floor: float = 0.0

    @property
    def total_variance(self) -> float:
        """Sum of squares of the centred answers: the unit of the relative loss."""
        return float(np.sum((self.y - self.y.mean(axis=0)) ** 2))

    def relative_loss(self, outputs: np.ndarray) -> float:
        """Mean squared error of ``outputs (samples, outputs)`` over the variance of the answers."""
        return float(np.sum((outputs - self.y) ** 2)) / (self.total_variance or 1.0)

    def take(self, rows: np.ndarray) -> Samples:
        """Those of a mask or of places."""
        return dataclasses.replace(self, x=self.x[rows], y=self.y[rows])

    @property
    def answers(self) -> int:
        """Numbers answered: samples times outputs."""
        return int(self.y.size)


class Status(enum.IntEnum):
    """Why a student's training ended.

    FLOOR: it imitates as well as the teacher's precision allows. STALLED: no progress was made any more.
    STEPS: the steps (or the time of a flow) were spent. FAILED: its loss is not finite. TARGET: the loss
    or the gradient norm that the options ask for was reached, above the floor.
    """

    FLOOR = 0
    STALLED = 1
    STEPS = 2
    FAILED = 3
    TARGET = 4


@dataclasses.dataclass(frozen=True)
class TrainedPopulation:
    """A population after training; arrays have one entry for each student.

    Attributes:
        population: the students.
        status: a :class:`Status` each.
        loss: relative loss each.
        gradient_norm: norm of the gradient of the relative loss each.
        steps: steps taken each.
        curves: steps and relative losses on the way, thinned, ``(students, points, 2)``; NaN after a student's last.
            Empty of a trainer that keeps none.
    """

    population: Population
    status: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    steps: np.ndarray
    curves: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 2)))


class Trainer(Protocol):
    """The contract of every trainer: a failing student is data, never an exception."""

    def __call__(self, population: Population, samples: Samples, activation: Activation, options: Any, *,
                 seed: int = 0) -> TrainedPopulation: ...
