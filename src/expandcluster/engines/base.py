"""What an engine is, and which one is in use."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from expandcluster.engines.local import LocalEngine

__all__ = ["Engine", "engine_in_use", "using"]


class Engine(Protocol):
    """Runs one function on many tasks. Results do not depend on the engine, nor on what ends first.

    Attributes:
        least_work: floating-point operations of a training step below which students are not sent elsewhere; ``None``
            where nothing is.
    """

    least_work: float | None

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any], heard: Callable[[int, Any], Any], *,
            whole: bool = False) -> None:
        """Run ``function`` on every task, and on what follows from it, until nothing does.

        Args:
            function: from a task to its result; the same task has the same result wherever it runs.
            tasks: what to begin with.
            heard: told of the place of a task and of its result, here and not where it ran; returns the task that
                comes next in this place, or ``None`` where it is done. Threads may call it at the same time. After
                Ctrl-C or an error it is still told what was under way here.
            whole: a task makes use of all processor cores by itself.
        """


_IN_USE: contextvars.ContextVar[Engine | None] = contextvars.ContextVar("engine", default=None)


def engine_in_use() -> Engine:
    """The engine of :func:`using`; threads of this process where there is none."""
    return _IN_USE.get() or LocalEngine()


@contextlib.contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Students, and problems of an experiment, are sent to this engine in this context."""
    token = _IN_USE.set(engine)
    try:
        yield
    finally:
        _IN_USE.reset(token)
