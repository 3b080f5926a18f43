"""How many threads there may be, and how many linear algebra may use while students are trained side by side.

Each student has a thread of its own. A Cholesky factorisation that is itself split over threads then
waits for cores that other students hold: it was measured 20 times slower so on a busy machine.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

__all__ = ["cores", "one_thread", "one_thread_each"]


def cores() -> int:
    """Processor cores that this process may use: a scheduler may have given it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Looks for the loaded libraries once; NumPy's and SciPy's are there as soon as JAX is."""
    return ThreadpoolController()


def one_thread_each(students: int) -> contextlib.AbstractContextManager:
    """Linear algebra keeps to one thread for the time of the context, if there are several students."""
    return contextlib.nullcontext() if students < 2 else one_thread()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra keeps to one thread for the time of the context: the same bits however many there are."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
