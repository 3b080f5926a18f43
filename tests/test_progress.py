"""Events: every one of a real recovery has the class of what happened, and its numbers can be read."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster import progress
from expandcluster.progress import (
    Event,
    FineTuned,
    NeuronsFound,
    NoiseMeasured,
    RecoveryFinished,
    RecoveryStarted,
    RowSpaceFound,
    StageFinished,
    StageStarted,
    StudentsTrained,
    silent,
    together,
)

STAGES = ["link", "probe", "reduce", "choose", "expand", "settle", "cluster", "fine_tune", "challenge", "lift",
          "certify"]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """Of a recovery, and of looking at its folder again."""
    seen: list[Event] = []
    folder = tmp_path_factory.mktemp("runs") / "run"
    for _ in range(2):
        ec.recover(ec.Teacher.from_network(random_teacher((4, 3, 2), "tanh", 0)), activation="tanh", out=folder,
                   progress=together(silent, seen.append))
    return seen


def test_a_recovery_tells_its_stages_and_what_they_found(events: list[Event]) -> None:
    first = events[: next(i for i, e in enumerate(events) if isinstance(e, RecoveryFinished)) + 1]
    assert isinstance(first[0], RecoveryStarted) and first[0].about["activation"] == "tanh"
    assert [e.stage for e in first if isinstance(e, StageStarted)] == STAGES
    assert [e.stage for e in first if isinstance(e, StageFinished)] == STAGES
    between = [type(e) for e in first if e.stage in STAGES and not isinstance(e, StageStarted | StageFinished)]
    assert between[:3] == [NoiseMeasured, RowSpaceFound, StudentsTrained]
    assert {NeuronsFound, FineTuned} <= set(between) and Event not in between
    end = first[-1]
    assert isinstance(end, RecoveryFinished) and end.recovery is not None and end.recovery.exact
    assert end.message.startswith("EXACT") and end.values["queries"] == end.recovery.queries
    asked = [e.queries for e in first if isinstance(e, StageFinished)]
    assert asked == sorted(asked) and asked[-1] == end.recovery.queries  # type: ignore[type-var]


def test_a_finished_run_tells_only_that_it_is_there(events: list[Event]) -> None:
    again = events[next(i for i, e in enumerate(events) if isinstance(e, RecoveryFinished)) + 1 :]
    assert [type(e) for e in again] == [RecoveryStarted, RecoveryFinished]


def test_every_number_that_a_class_names_is_there(events: list[Event]) -> None:
    for event in events:
        for name, _ in inspect.getmembers(type(event), lambda member: isinstance(member, property)):
            value = getattr(event, name)
            assert value is None or value >= 0, (event, name)
        assert event.message and event.stage


def test_events_made_by_their_stage_are_of_its_class_and_cross_processes() -> None:
    event = Event("expand", "a wave", {"best_loss": 0.5, "at_floor": 2})
    assert isinstance(event, StudentsTrained) and (event.best_loss, event.at_floor) == (0.5, 2)
    copy = pickle.loads(pickle.dumps(event))
    assert copy == event and type(copy) is StudentsTrained
    assert type(Event("elsewhere", "something")) is Event
    assert type(StageStarted("expand", "started")) is StageStarted
    assert StageStarted("expand", "x") != Event("expand", "x")


def test_the_stages_of_the_classes_are_stages_of_the_algorithm() -> None:
    source = (Path(ec.__file__).parent / "recover.py").read_text()
    named = set(Event._of_stage) - {"audit"}
    assert all(f'run.stage("{stage}"' in source for stage in named) and len(named) == len(STAGES) - 1
    assert {c.__name__ for c in Event._of_stage.values()} <= set(progress.__all__)
