"""The engine of many machines: tasks on the workers of a Dask cluster.

Every worker computes as this process does: the same versions, the same kind of device, one thread for each
operation. Functions and tasks are unpickled where JAX computes in float64: elsewhere its arrays would lose half
of their digits. A task that is lost with its worker is run again by the scheduler, on another one; what a task was
sent with is kept by the scheduler, so that nothing needed is lost with a worker either.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import logging
import os
import pickle
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from expandcluster.engines.base import using
from expandcluster.engines.local import LocalEngine
from expandcluster.errors import BadInput, ExpandClusterError, MissingExtra
from expandcluster.precision import in_float64
from expandcluster.progress import Event, Progress, silent
from expandcluster.threads import cores

__all__ = ["DaskEngine", "dask_engine"]

_LEAST_WORK = 2e7  # about ten milliseconds a step: sending a student takes as long
_PATIENCE = "20s"  # with a scheduler that does not answer
_TELL = 10.0  # seconds between two events, at least
_DISTRIBUTIONS = ("expandcluster", "jax", "jaxlib", "numpy", "scipy", "optax")


class DaskEngine:
    """Tasks on the workers of a Dask cluster.

    Args:
        client: a ``distributed.Client``.
        progress: told how far the tasks are.
        least_work: floating-point operations of a training step from which students are sent to workers. All that is
            smaller is faster here.

    Raises:
        BadInput: a worker has other versions or another kind of device: results would depend on where a task runs.
    """

    least_work: float | None

    def __init__(self, client: Any, progress: Progress = silent, least_work: float = _LEAST_WORK) -> None:
        self._distributed = _import()
        self.client, self.progress, self.least_work = client, progress, least_work
        self._told = time.monotonic()
        try:
            client.register_plugin(_plugin(self._distributed)(_about()))
        except _Different as error:
            raise BadInput("workers of the cluster", got=error.args[0], expected=error.args[1],
                           remedy="Install the same versions there and here, and use one kind of device.") from error

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any], heard: Callable[[int, Any], Any], *,
            whole: bool = False) -> None:
        """See :meth:`expandcluster.engines.base.Engine.map`."""
        dumps = importlib.import_module("cloudpickle").dumps  # Dask brings it
        shared = self._submit(_same, dumps(function))  # once for all tasks
        places: dict[Any, int] = {}
        done = self._distributed.as_completed()

        def send(place: int, task: Any) -> None:
            future = self._submit(_run, shared, dumps(task))
            places[future.key] = place
            done.add(future)

        try:
            for place, task in enumerate(tasks):
                send(place, task)
            finished = 0
            for future in done:
                place = places.pop(future.key)
                task = heard(place, self._result(future))
                if task is not None:
                    send(place, task)
                    continue
                finished += 1
                self._tell(finished, len(tasks))
        except BaseException:
            self.client.cancel(list(done.futures), force=True)
            raise

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with warnings.catch_warnings():
            # Large arguments are better scattered, Dask says; but what is scattered is lost with its worker.
            warnings.filterwarnings("ignore", message="Sending large graph")
            return self.client.submit(function, *arguments, pure=False, key=f"expandcluster-{uuid.uuid4()}")

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except self._distributed.scheduler.KilledWorker as error:
            raise ExpandClusterError(f"a task was lost again and again, each time with its worker ({error}). Give "
                                     "workers more memory; what is finished is kept, and the same command goes on."
                                     ) from error
        except (self._distributed.CancelledError, self._distributed.comm.CommClosedError) as error:
            raise ExpandClusterError(f"the scheduler is gone ({error}). Start it again; what is finished is kept, and "
                                     "the same command goes on.") from error

    def _tell(self, finished: int, tasks: int) -> None:
        if time.monotonic() - self._told >= _TELL:
            self._told = time.monotonic()
            workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
            self.progress(Event("engine", f"{finished} of {tasks} tasks done, on {workers} workers",
                                {"finished": finished, "tasks": tasks, "workers": workers}))


@contextlib.contextmanager
def dask_engine(scheduler: str | None = None, progress: Progress = silent) -> Iterator[DaskEngine]:
    """Use a Dask cluster in this context.

    Args:
        scheduler: address such as ``tcp://10.0.0.1:8786``, or the file that ``dask scheduler --scheduler-file`` wrote;
            ``None`` starts a worker for each core of this machine.
        progress: told how far the tasks are.

    Raises:
        BadInput: no scheduler answers, or its workers compute in another way.
        MissingExtra: Dask is not installed.
    """
    distributed = _import()
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            cluster: Any = stack.enter_context(distributed.LocalCluster(
                n_workers=cores(), threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
                silence_logs=logging.ERROR))
            client = stack.enter_context(distributed.Client(cluster))
        else:
            there = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
            try:
                client = stack.enter_context(distributed.Client(**there, timeout=_PATIENCE))
            except (OSError, ValueError) as error:
                raise BadInput("scheduler", got=f"{scheduler}, where none answers ({error})",
                               expected="the address or the scheduler file of a running Dask scheduler",
                               remedy="Start one with: dask scheduler") from error
        engine = DaskEngine(client, progress)
        stack.enter_context(using(engine))
        yield engine


class _Different(Exception):
    """A worker that computes in another way: what it has, and what it should have."""


def _about() -> dict[str, str]:
    """What results depend on to the last bit, beside the processor."""
    jax = importlib.import_module("jax")
    return {**{name: importlib.metadata.version(name) for name in _DISTRIBUTIONS},
            "device": jax.default_backend(), "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}


def check_worker(about: dict[str, str]) -> None:
    """Set up this process as one that computes like the client.

    Raises:
        _Different: it cannot.
    """
    os.environ["XLA_FLAGS"] = about["XLA_FLAGS"]  # read when JAX computes for the first time
    here = _about()
    different = [name for name in about if here[name] != about[name]]
    if different:
        raise _Different(*(", ".join(f"{name} {values[name]}" for name in different) for values in (here, about)))


def _plugin(distributed: Any) -> type:
    class Setup(distributed.WorkerPlugin):
        name = "expandcluster"

        def __init__(self, about: dict[str, str]) -> None:
            self.about = about

        def setup(self, worker: Any) -> None:
            check_worker(self.about)

    return Setup


def _same(value: Any) -> Any:
    return value


def _run(function: bytes, task: bytes) -> Any:
    """One task on a worker, whose students use as many threads as the worker has."""
    worker = importlib.import_module("distributed").get_worker()
    with using(LocalEngine(worker.state.nthreads)):
        return _unpickled(function)(in_float64(pickle.loads)(task))


@functools.lru_cache(maxsize=1)
def _unpickled(function: bytes) -> Callable[[Any], Any]:
    return in_float64(pickle.loads)(function)


def _import() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra("distributed", "dask") from error
