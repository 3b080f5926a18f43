"""What an engine is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["Engine", "Heard"]

Heard = Callable[[int, Any], Any]


class Engine(Protocol):
    """Runs one function on many tasks."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any], heard: Heard) -> None:
        """Run ``function`` on every task, and on what follows from it, until nothing does.

        Args:
            function: from a task to its result; the same task has the same result wherever it runs.
            tasks: what to begin with.
            heard: told of the place of a task and of its result, here and not where it ran; returns the task that
                comes next in this place, or ``None`` where it is done. Threads may call it at the same time. After
                Ctrl-C or an error it is still told what was under way here.
        """
