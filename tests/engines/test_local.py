"""Threads: what follows from a task, errors, and interruptions."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from expandcluster.engines.base import engine_in_use, using
from expandcluster.engines.local import LocalEngine
from expandcluster.threads import cores


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("whole", [False, True])
def test_every_task_and_what_follows_from_it(threads: int, whole: bool) -> None:
    heard: dict[int, list[int]] = {place: [] for place in range(5)}

    def hear(place: int, result: int) -> int | None:
        heard[place].append(result)
        return result if result < 20 else None

    LocalEngine(threads).map(lambda task: 2 * task, [1, 2, 3, 10, 30], hear, whole=whole)
    assert heard == {0: [2, 4, 8, 16, 32], 1: [4, 8, 16, 32], 2: [6, 12, 24], 3: [20], 4: [60]}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_stops_the_others_and_they_are_heard(error: type[BaseException]) -> None:
    heard: list[Any] = []
    before = set(threading.enumerate())

    def work(task: int) -> int:
        time.sleep(0.02)
        if task == 3:
            raise error("here")
        return task

    def hear(place: int, result: int) -> int:
        heard.append(place)
        return result

    with pytest.raises(error, match="here"):
        LocalEngine(4).map(work, [0, 1, 2, 3], hear)  # the first three would never end
    assert {0, 1, 2} <= set(heard) and 3 not in heard
    assert set(threading.enumerate()) <= before


def test_the_engine_in_use() -> None:
    engine = LocalEngine(2)
    with using(engine):
        assert engine_in_use() is engine
    assert isinstance(engine_in_use(), LocalEngine) and engine_in_use() is not engine
    assert 1 <= LocalEngine().threads == cores()
