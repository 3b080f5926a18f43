"""A cluster of processes on this machine gives the same bits as threads, also when a worker is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import imitation, random_teacher

from expandcluster import recover, save_network
from expandcluster.activations import get_activation
from expandcluster.checkpoints import checkpointed
from expandcluster.engines import dask_engine as dask_file
from expandcluster.engines.base import using
from expandcluster.engines.dask_engine import DaskEngine, dask_engine
from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.expand.adam import adam
from expandcluster.expand.bfgs import bfgs
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.slsqp import slsqp
from expandcluster.experiments.synthetic import run_synthetic
from expandcluster.export import open_network
from expandcluster.networks import Network, random_population
from expandcluster.options import AdamOptions, BFGSOptions, ExpandOptions, LMOptions, RecoverOptions, SLSQPOptions
from expandcluster.precision import float64
from expandcluster.problems.synthetic import SyntheticProblem
from expandcluster.progress import Event
from expandcluster.teachers import Teacher

distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")

WORKERS = 2
TEACHER, SAMPLES = imitation((3, 2, 2), "tanh", 1e-26)
TRAINERS = [
    pytest.param(levenberg_marquardt, LMOptions(steps=60), id="levenberg_marquardt"),
    pytest.param(adam, AdamOptions(epochs=40, batch=64), id="adam"),
    pytest.param(bfgs, BFGSOptions(steps=20), id="bfgs"),
    pytest.param(slsqp, SLSQPOptions(steps=20), id="slsqp"),
]


def _cluster(workers: int) -> Any:
    return distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True,
                                    dashboard_address="127.0.0.1:0")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with _cluster(WORKERS) as cluster, distributed.Client(cluster) as client:
        yield client


def _pids(client: Any) -> set[int]:
    return set(client.run(os.getpid).values())


def _assert_same(one: Network | None, other: Network | None) -> None:
    assert one is not None and other is not None
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(a, b)


def _work(task: tuple[int, str]) -> tuple[int, int]:
    """Leaves a mark when it begins and when it ends."""
    number, folder = task
    Path(folder, f"began-{number}-{time.time_ns()}").touch()
    time.sleep(0.3)
    Path(folder, f"ended-{number}-{time.time_ns()}").touch()
    return number, os.getpid()


def _marks(folder: Path, kind: str) -> Counter[int]:
    return Counter(int(p.name.split("-")[1]) for p in folder.glob(f"{kind}-*"))


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_students_trained_elsewhere_are_the_same_bits(train: Any, options: Any, client: Any) -> None:
    students = random_population((3, 4, 2), 5, 0)
    here = train(students, SAMPLES, TEACHER.activation, options, seed=3)
    with using(DaskEngine(client, least_work=0.0)):
        there = train(students, SAMPLES, TEACHER.activation, options, seed=3)
    for name in ("loss", "steps", "status", "gradient_norm"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    for a, b in zip(here.population.weights, there.population.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_students_in_pieces_elsewhere_are_stored_here(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                      ) -> None:
    """Every piece comes back, is stored, and goes on on whatever worker is free."""
    monkeypatch.setattr("expandcluster.expand.train_all._SENT", 1e-6)
    students, options, seen = random_population((3, 4, 2), 3, 0), LMOptions(steps=40), []
    here = levenberg_marquardt(students, SAMPLES, TEACHER.activation, options)
    with using(DaskEngine(client, least_work=0.0)), checkpointed(tmp_path, 1e-9) as checkpoints:
        keep = checkpoints.keep
        checkpoints.keep = lambda key, state: (seen.append(int(state["step"])), keep(key, state))[1]  # type: ignore
        there = levenberg_marquardt(students, SAMPLES, TEACHER.activation, options)
    np.testing.assert_array_equal(here.loss, there.loss)
    assert len(seen) >= 9 and (tmp_path / "000001.safetensors").exists()


def test_an_activation_that_holds_arrays_keeps_all_its_digits(client: Any) -> None:
    with float64():
        slope = jnp.asarray(0.1)
    act = get_activation(lambda z: jnp.tanh(z) + slope * z)
    here = levenberg_marquardt(random_population((3, 4, 2), 2, 0), SAMPLES, act, LMOptions(steps=10))
    with using(DaskEngine(client, least_work=0.0)):
        there = levenberg_marquardt(random_population((3, 4, 2), 2, 0), SAMPLES, act, LMOptions(steps=10))
    np.testing.assert_array_equal(here.loss, there.loss)


def test_small_students_stay_here(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "submit", pytest.fail)
    with using(DaskEngine(client)):
        levenberg_marquardt(random_population((3, 4, 2), 3, 0), SAMPLES, TEACHER.activation, LMOptions(steps=5))


def test_tasks_of_a_killed_worker_are_run_again_and_no_others(client: Any, tmp_path: Path) -> None:
    engine, heard, before = DaskEngine(client), {}, _pids(client)

    def hear(place: int, result: tuple[int, int]) -> None:
        heard[place] = result[0]
        if len(heard) == 3:
            os.kill(result[1], signal.SIGKILL)  # it has begun with the next one

    engine.map(_work, [(number, str(tmp_path)) for number in range(12)], hear)
    assert heard == {place: place for place in range(12)}
    began, ended = _marks(tmp_path, "began"), _marks(tmp_path, "ended")
    assert set(began) == set(ended) == set(range(12))
    assert sum(began.values()) - 12 <= WORKERS and max(ended.values()) <= 2
    client.wait_for_workers(WORKERS, timeout=60)
    assert _pids(client) != before


def test_a_recovery_with_a_killed_worker_ends_in_the_same_bits(client: Any, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expandcluster.expand.train_all._SENT", 0.2)
    truth = random_teacher((3, 3, 3, 1), "tanh", 3)
    given = {"activation": "tanh", "hidden_layers": 2, "options": RecoverOptions(expand=ExpandOptions(widths=(8,)))}
    whole = recover(Teacher.from_network(truth), **given)
    killed: list[int] = []

    def kill() -> None:
        client.wait_for_workers(WORKERS, timeout=60)
        while not killed:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            if busy:
                pid = client.run(os.getpid, workers=busy[:1])[busy[0]]
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    with using(DaskEngine(client, least_work=0.0)):
        found = recover(Teacher.from_network(truth), **given, out=tmp_path / "run")
    killer.join()
    assert killed and found.verdict == whole.verdict
    _assert_same(found.network, whole.network)
    np.testing.assert_array_equal(found.losses, whole.losses)
    np.testing.assert_array_equal(found.steps, whole.steps)


def test_an_experiment_is_the_same_wherever_it_ran(client: Any, tmp_path: Path) -> None:
    problems = tuple(SyntheticProblem(2, 2, seed) for seed in range(3))
    events: list[Event] = []
    here = run_synthetic(problems, "default", (4.0,), tmp_path / "here")
    with using(DaskEngine(client)):
        there = run_synthetic(problems, "default", (4.0,), tmp_path / "there", events.append)
        assert run_synthetic(problems, "default", (4.0,), tmp_path / "there") == there
    measured = {"seconds": 0.0, "processor_seconds": 0.0}
    assert [dataclasses.replace(row, **measured) for row in here] == [dataclasses.replace(row, **measured)
                                                                      for row in there]
    assert [e.message.split(":")[0] for e in events if e.stage == "benchmark"] == [f"{n} of 3" for n in (1, 2, 3)]
    for name in ("d=2,r=2,seed=0", "d=2,r=2,seed=2"):
        one, other = (open_network(str(tmp_path / where / "runs" / "default-rho4" / name))
                      for where in ("here", "there"))
        _assert_same(one, other)


def test_an_error_of_a_task_is_raised_here(client: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        DaskEngine(client).map(_divide, [1, 0, 2], lambda place, result: None)
    heard: dict[int, float] = {}
    DaskEngine(client).map(_divide, [1, 2], heard.__setitem__)
    assert heard == {0: 1.0, 1: 0.5}


def _divide(task: int) -> float:
    return 1 / task


def _die(task: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_compute_in_another_way_are_refused_and_a_deadly_task_is_named(monkeypatch: pytest.MonkeyPatch
                                                                                    ) -> None:
    with _cluster(1) as cluster, distributed.Client(cluster) as client:
        cluster.scheduler.allowed_failures = 0
        with pytest.raises(ExpandClusterError, match=r"lost again and again.*more memory.*the same command goes on"):
            DaskEngine(client).map(_die, [0], lambda place, result: None)
        client.wait_for_workers(1, timeout=60)  # its nanny starts it again
        about = dask_file._about()
        monkeypatch.setattr(dask_file, "_about", lambda: {**about, "jax": "0.1"})
        with pytest.raises(BadInput, match=r"workers of the cluster: got jax \d.*expected jax 0\.1"):
            DaskEngine(client)


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "expandcluster", *map(str, arguments)], capture_output=True, text=True,
                          timeout=300, check=False)


@pytest.mark.slow
def test_the_command_line(tmp_path: Path, client: Any) -> None:
    truth = tmp_path / "truth.safetensors"
    save_network(random_teacher((4, 3, 2), "tanh", 0), truth)
    client.write_scheduler_file(str(tmp_path / "scheduler.json"))
    ways: dict[str, list[object]] = {
        "threads": [], "cluster": ["--engine", "dask"],
        "file": ["--engine", "dask", "--scheduler", tmp_path / "scheduler.json"],
        "address": ["--engine", "dask", "--scheduler", client.scheduler.address]}
    for name, flags in ways.items():
        done = _command("recover", truth, "--activation", "tanh", "--out", tmp_path / name, "--json", *flags)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["verdict"] == "EXACT"
        _assert_same(open_network(str(tmp_path / name)), open_network(str(tmp_path / "threads")))


@pytest.mark.slow
def test_an_audit_on_workers_has_the_same_rows(tmp_path: Path, client: Any) -> None:
    truth = tmp_path / "truth.safetensors"
    save_network(random_teacher((4, 3, 2), "tanh", 0), truth)
    rows = []
    for name, flags in (("threads", []), ("workers", ["--engine", "dask", "--scheduler", client.scheduler.address])):
        done = _command("audit", truth, "--seeds", "1", "--budgets", "400", "--defence", "round:3", "--out",
                        tmp_path / name, "--json", *flags)
        assert done.returncode == 0, done.stderr
        rows.append([{key: value for key, value in row.items() if key != "seconds"}
                     for row in json.loads(done.stdout)["rows"]])
    assert len(rows[0]) == 3 and rows[0] == rows[1]


@pytest.mark.parametrize("command", ["recover TRUTH --activation tanh", "audit TRUTH", "benchmark synthetic"])
def test_a_scheduler_needs_dask(command: str, tmp_path: Path) -> None:
    truth = tmp_path / "truth.safetensors"
    save_network(random_teacher((4, 3, 2), "tanh", 0), truth)
    done = _command(*command.replace("TRUTH", str(truth)).split(), "--scheduler", "tcp://127.0.0.1:1",
                    "--out", tmp_path / "out")
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    assert "--scheduler: got tcp://127.0.0.1:1" in " ".join(done.stderr.split())


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_file, "_PATIENCE", "1s")
    with pytest.raises(BadInput, match=r"scheduler: got tcp://127.0.0.1:1, where none answers.*dask scheduler"), \
            dask_engine("tcp://127.0.0.1:1"):
        pass
