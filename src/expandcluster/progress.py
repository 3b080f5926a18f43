"""What a running recovery tells whoever watches it.

A watcher is any function of one :class:`Event`. Every event says its stage, a line for a person, and the same
as numbers; its class says what kind of thing happened, and names the numbers. An event made as
``Event(stage, message, values)`` gets the class of its stage::

    recovery started, stage started, what the stage tells, stage finished, ..., recovery finished

Example:
    >>> def watcher(event: Event) -> None:
    ...     match event:
    ...         case StudentsTrained():
    ...             print(f"best loss {event.best_loss:.0e}, {event.at_floor} at the floor")
    ...         case StageFinished():
    ...             print(f"{event.stage} took {event.seconds:.1f} s")
    >>> watcher(Event("expand", "wave of 8 students", {"best_loss": 1e-30, "at_floor": 8}))
    best loss 1e-30, 8 at the floor
    >>> together(watcher, silent)(StageFinished("expand", "finished", {"seconds": 2.0}))
    expand took 2.0 s
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from expandcluster.results import Recovery

__all__ = ["ActivationTried", "Audited", "Challenged", "Event", "FineTuned", "LinkFound", "NeuronsFound",
           "NeuronsLinked", "NoiseMeasured", "Progress", "RecoveryFinished", "RecoveryStarted", "RowSpaceFound",
           "StageFinished", "StageStarted", "StudentsSettled", "StudentsTrained", "WeightsLifted", "silent", "together"]


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        stage: the stage it happened in: link, probe, reduce, choose, expand, settle, cluster, fine_tune, challenge,
            lift or certify; recover for the recovery as a whole; audit, benchmark, engine or demo outside one.
        message: what happened, in one line for a person.
        values: the same as numbers, for a program, for example ``{"relative_loss": 1e-30}``.
    """

    stage: str
    message: str
    values: dict[str, float] = dataclasses.field(default_factory=dict)

    _of_stage: ClassVar[dict[str, type[Event]]] = {}

    def __init_subclass__(cls, stage: str | None = None) -> None:
        if stage is not None:
            cls._of_stage[stage] = cls

    def __new__(cls, stage: str = "", *_: Any, **__: Any) -> Event:
        """An event of the class that its stage has, if it has one."""
        return super().__new__(cls._of_stage.get(stage, cls) if cls is Event else cls)


@dataclasses.dataclass(frozen=True)
class RecoveryStarted(Event):
    """A recovery begins, or goes on where it was interrupted.

    Attributes:
        about: what makes it this recovery: teacher, activation, seed, options and more, as in ``run.json``.
    """

    about: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class RecoveryFinished(Event):
    """A recovery ended, with the verdict in its message and these numbers: queries, seconds, relative_loss,
    noise_floor, students_at_floor and hidden_neurons.

    Attributes:
        recovery: its result.
    """

    recovery: Recovery | None = None


class StageStarted(Event):
    """A stage begins; one that was finished in an earlier sitting does not begin again."""


class StageFinished(Event):
    """A stage ended."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.values["seconds"]

    @property
    def queries(self) -> int | None:
        """Inputs asked so far; ``None`` for a run without a folder, which keeps no count."""
        return None if "queries" not in self.values else int(self.values["queries"])


class LinkFound(Event, stage="link"):
    """What the answers are: raw outputs or probabilities; only where that was not known."""


class NoiseMeasured(Event, stage="probe"):
    """How exact the answers are."""

    @property
    def noise(self) -> float:
        """Standard deviation of their errors, relative to that of the answers."""
        return self.values["noise"]


class RowSpaceFound(Event, stage="reduce"):
    """In how many directions the answers vary; only where that was looked for."""

    @property
    def rank(self) -> int | None:
        """How many; ``None`` where noise hides it."""
        return None if "rank" not in self.values else int(self.values["rank"])


class ActivationTried(Event, stage="choose"):
    """One activation and depth were tried, or the best one was chosen; only where they were left open."""

    @property
    def best_loss(self) -> float:
        """Smallest relative loss of its students."""
        return self.values["best_loss"]


class StudentsTrained(Event, stage="expand"):
    """A wave of students was trained and pruned."""

    @property
    def best_loss(self) -> float:
        """Smallest relative loss in the wave."""
        return self.values["best_loss"]

    @property
    def at_floor(self) -> int:
        """Students at the noise floor so far, those of earlier waves included."""
        return int(self.values["at_floor"])

    @property
    def exact_steps(self) -> bool:
        """Whether they were trained with their matrix J'J, or were too large for it."""
        return bool(self.values["exact_steps"])


class StudentsSettled(Event, stage="settle"):
    """Inputs on which students differ were asked, and the students trained on the answers."""

    @property
    def disputed(self) -> int:
        """How many inputs."""
        return int(self.values["disputed"])

    @property
    def students(self) -> int:
        """How many students learned the answers."""
        return int(self.values["students"])


class NeuronsFound(Event, stage="cluster"):
    """The neurons of one hidden layer were clustered."""

    @property
    def neurons(self) -> int:
        """How many were found in enough students."""
        return int(self.values["neurons"])


class NeuronsLinked(Event):
    """There is no room for the distances of all pairs of a layer's neurons: their copies are merged first."""

    @property
    def neurons(self) -> int:
        """How many neurons of all students."""
        return int(self.values["linked"])

    @property
    def bytes(self) -> int:
        """What the distances of all pairs would take."""
        return int(self.values["bytes"])


class FineTuned(Event, stage="fine_tune"):
    """All parameters of the network were tuned together."""

    @property
    def relative_loss(self) -> float:
        """Where that is; of a table without those of its answers that are set aside, as the message says."""
        return self.values["relative_loss"]


class Challenged(Event, stage="challenge"):
    """Inputs were asked at which the network is in doubt."""

    @property
    def error(self) -> float:
        """Its largest error there, relative to the spread of the answers."""
        return self.values["error"]


class WeightsLifted(Event, stage="lift"):
    """Weights on all inputs were found, where students were trained on fewer coordinates."""

    @property
    def loss(self) -> float:
        """Relative loss of the network on all inputs."""
        return self.values["loss"]


class Audited(Event, stage="audit"):
    """One recovery of an audit ended."""

    @property
    def done(self) -> int:
        """How many have."""
        return int(self.values["done"])

    @property
    def planned(self) -> int:
        """How many there will be."""
        return int(self.values["planned"])


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Watches nothing."""


def together(*watchers: Progress) -> Progress:
    """One watcher that tells several, in this order."""

    def tell(event: Event) -> None:
        for watcher in watchers:
            watcher(event)

    return tell
