"""The engine of one machine: a thread for each processor core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from expandcluster.threads import cores

__all__ = ["LocalEngine"]


class LocalEngine:
    """Threads of this process; they stop between two tasks when one of them fails, or on Ctrl-C.

    Args:
        threads: how many; as many as there are cores by default.
    """

    least_work: float | None = None

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any], heard: Callable[[int, Any], Any], *,
            whole: bool = False) -> None:
        """See :meth:`expandcluster.engines.base.Engine.map`."""
        stop = threading.Event()

        def work(place: int, task: Any) -> None:
            while task is not None and not stop.is_set():
                task = heard(place, function(task))

        if whole or self.threads == 1:
            for place, task in enumerate(tasks):
                work(place, task)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(work, place, task) for place, task in enumerate(tasks)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
