"""The options --engine and --scheduler."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from expandcluster.progress import Progress

__all__ = ["Engine", "EngineKind", "Scheduler", "engine_running"]


class EngineKind(enum.StrEnum):
    """Choices of --engine."""

    local = "local"
    dask = "dask"


Engine = Annotated[EngineKind, typer.Option(
    help="Where training runs: local, in threads here; dask, on the workers of a Dask cluster (extra 'dask').")]
Scheduler = Annotated[str | None, typer.Option(
    metavar="ADDRESS|FILE", help="Of the Dask cluster: its address, or its scheduler file. Without it a worker is "
                                 "started for each core of this machine.")]


@contextlib.contextmanager
def engine_running(kind: EngineKind, scheduler: str | None, progress: Progress) -> Iterator[None]:
    """The engine that was chosen is in use in this context.

    Raises:
        BadInput: a scheduler without Dask, or one that does not answer.
        MissingExtra: Dask is not installed.
    """
    from expandcluster.errors import BadInput

    if kind is EngineKind.local:
        if scheduler is not None:
            raise BadInput("--scheduler", got=scheduler, expected="no scheduler with --engine local",
                           remedy="Add --engine dask, or leave it out.")
        yield
        return
    from expandcluster.engines.dask_engine import dask_engine

    with dask_engine(scheduler, progress):
        yield
