"""The engine of one machine: a thread for each processor core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from expandcluster.engines.base import Heard

__all__ = ["LocalEngine"]


class LocalEngine:
    """Threads of this process; they stop between two tasks when one of them fails, or on Ctrl-C."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any], heard: Heard) -> None:
        """See :meth:`Engine.map`."""
        stop = threading.Event()

        def work(place: int, task: Any) -> None:
            while task is not None and not stop.is_set():
                task = heard(place, function(task))

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            futures = [pool.submit(work, place, task) for place, task in enumerate(tasks)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
