"""What all trackers share: they write numbers, and they never stop a recovery."""

from __future__ import annotations

import abc
import collections
import math
import warnings
from typing import Any

from expandcluster.errors import BadInput
from expandcluster.progress import Event, RecoveryFinished, RecoveryStarted

__all__ = ["Tracker", "flat", "open_tracker"]


class Tracker(abc.ABC):
    """A watcher that writes events down; used in a ``with`` statement, or closed at the end.

    Every number of an event becomes a point of the curve ``STAGE/NAME``; what makes the recovery this one becomes
    its parameters; network and result become files or text at its end. Should writing fail, a warning is given
    once, nothing more is written, and the recovery goes on.
    """

    name = "tracker"

    def __init__(self) -> None:
        self._steps: collections.Counter[str] = collections.Counter()
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Write an event down."""
        self._try(self._record, event)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)

    def close(self, *, failed: bool = False) -> None:
        """Write what is left and end.

        Args:
            failed: what was watched did not come to its end.
        """
        self._try(self._end, failed)

    @abc.abstractmethod
    def _begin(self, parameters: dict[str, str]) -> None:
        """A recovery starts; it may be the second one of this tracker."""

    @abc.abstractmethod
    def _number(self, name: str, value: float, step: int) -> None:
        """One point of a curve."""

    @abc.abstractmethod
    def _result(self, event: RecoveryFinished) -> None:
        """A recovery ended."""

    @abc.abstractmethod
    def _end(self, failed: bool) -> None:
        """Nothing more comes."""

    def _record(self, event: Event) -> None:
        if isinstance(event, RecoveryStarted):
            self._steps.clear()
            self._begin(flat(event.about))
        for name, value in event.values.items():
            name = f"{event.stage}/{name}"
            if math.isfinite(value):
                self._number(name, float(value), self._steps[name])
            self._steps[name] += 1
        if isinstance(event, RecoveryFinished):
            self._result(event)

    def _try(self, what: Any, *arguments: Any) -> None:
        if self._failed:
            return
        try:
            what(*arguments)
        except Exception as error:  # whatever a tracking library raises
            self._failed = True
            warnings.warn(f"{self.name} failed and is told nothing more: {type(error).__name__}: {error}",
                          RuntimeWarning, stacklevel=3)


def flat(values: dict[str, Any], before: str = "") -> dict[str, str]:
    """Nested values as text, their names joined by dots.

    Example:
        >>> flat({"seed": 0, "options": {"expand": {"widths": [4, 8]}}})
        {'seed': '0', 'options.expand.widths': '[4, 8]'}
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: str(value)}
    return found


def open_tracker(text: str) -> Tracker:
    """The tracker written as ``tensorboard:DIR`` or ``mlflow:URI``.

    Raises:
        BadInput: it is neither.
        MissingExtra: the extra ``track`` is not installed.
    """
    kind, _, where = text.partition(":")
    if where and kind == "tensorboard":
        from expandcluster.trackers.tensorboard import TensorBoardTracker

        return TensorBoardTracker(where)
    if where and kind == "mlflow":
        from expandcluster.trackers.mlflow import MlflowTracker

        return MlflowTracker(where)
    raise BadInput("tracker", got=repr(text), expected="tensorboard:DIR or mlflow:URI",
                   remedy="Write for example --track tensorboard:runs/board or --track mlflow:sqlite:///runs.db.")
