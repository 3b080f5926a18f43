"""Runs that are killed, terminated, interrupted, or out of disk space go on and end in the same network."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.cli_common import BAD_INPUT, INTERRUPTED, TERMINATED
from expandcluster.errors import BadInput
from expandcluster.export.network_files import save_network
from expandcluster.export.open_network import open_network
from expandcluster.storage import array_names, read_arrays

KILLS, INTERVAL = 10, 0.2
TRUTH = random_teacher((2, 8, 1), "tanh", 0)  # takes seven waves


def _command(truth: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "expandcluster", "recover", str(truth), "--activation", "tanh", "--widths", "8",
            "--checkpoint", str(INTERVAL), "--out", str(out), "--json", *options]


def _finish(truth: Path, out: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(_command(truth, out, *options), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _assert_same(one: Path, other: Path) -> None:
    first, second = (open_network(str(folder)) for folder in (one, other))
    for a, b in zip((*first.weights, *first.biases), (*second.weights, *second.biases), strict=True):
        np.testing.assert_array_equal(a, b)


def _trained_twice(out: Path) -> list[str]:
    """Trainings that are stored more than once."""
    stored = Counter(key for path in out.glob("training/*/0*.safetensors")
                     for key in {name.partition(".")[0] for name in array_names(path)})
    return [key for key, times in stored.items() if times > 1]


def _spent(out: Path) -> float:
    """Seconds of expanding that are stored."""
    if (out / "stages" / "expand.safetensors").exists():
        return np.inf
    try:
        return float(read_arrays(out / "training" / "expand" / "state.safetensors")[1]["seconds"])
    except BadInput:  # not there, or just removed
        return 0.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """The teacher's file, the folder of an undisturbed run, and its result."""
    folder = tmp_path_factory.mktemp("whole")
    save_network(TRUTH, folder / "truth.safetensors")
    return folder / "truth.safetensors", folder / "run", _finish(folder / "truth.safetensors", folder / "run")


@contextlib.contextmanager
def _running(truth: Path, out: Path, until: float, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has spent so many seconds expanding, earlier sittings included, or is over."""
    # A shell in the background has its children ignore Ctrl-C.
    run = subprocess.Popen(_command(truth, out, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        while run.poll() is None and _spent(out) < until:
            time.sleep(0.01)
        yield run
    finally:
        run.kill()
        run.communicate()


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_bit(whole: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    truth, undisturbed, result = whole
    moments, killed, out = random.Random(0), 0, tmp_path / "run"
    for kill in range(KILLS):
        until = result["timings"]["expand"] * (kill + moments.random()) / KILLS
        with _running(truth, out, until) as run:
            time.sleep(moments.uniform(0.0, 2 * INTERVAL))
            killed += run.poll() is None
        assert not _trained_twice(out)
    found = _finish(truth, out)
    assert killed >= KILLS // 2
    assert (found["verdict"], found["queries"]) == (result["verdict"], result["queries"]) == ("EXACT", found["queries"])
    _assert_same(undisturbed, out)
    assert not (out / "training").exists()


@pytest.mark.slow
def test_kills_of_a_run_on_a_cluster_change_no_bit(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'dask'")
    truth, undisturbed, out = tmp_path / "truth.safetensors", tmp_path / "local", tmp_path / "dask"
    save_network(random_teacher((6, 6, 6, 1), "tanh", 0), truth)  # its students are large enough to be sent to workers
    deep = ("--hidden-layers", "2", "--widths", "12")
    result = _finish(truth, undisturbed, *deep)
    moments, killed, kills = random.Random(0), 0, 3
    for kill in range(kills):
        until = result["timings"]["expand"] * (kill + moments.random()) / kills
        with _running(truth, out, until, *deep, "--engine", "dask") as run:
            time.sleep(moments.uniform(0.0, 2 * INTERVAL))
            killed += run.poll() is None
        assert not _trained_twice(out)
    found = _finish(truth, out, *deep, "--engine", "dask")
    assert killed >= kills - 1
    assert (found["verdict"], found["queries"]) == (result["verdict"], result["queries"])
    _assert_same(undisturbed, out)


@pytest.mark.parametrize(("number", "code", "word"), [
    (signal.SIGTERM, TERMINATED, "terminated"), (signal.SIGINT, INTERRUPTED, "interrupted")])
def test_a_signal_stores_what_was_reached(number: signal.Signals, code: int, word: str, tmp_path: Path,
                                          whole: tuple[Path, Path, dict[str, Any]]) -> None:
    truth, undisturbed, result = whole
    out = tmp_path / "run"
    with _running(truth, out, result["timings"]["expand"] / 6) as run:
        assert run.poll() is None
        before = time.time()
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    assert run.returncode == code
    assert said.strip() == f"expandcluster: {word}; the same command goes on where this one stopped."
    assert (out / "training" / "expand" / "state.safetensors").stat().st_mtime >= before - 0.05
    _finish(truth, out)
    _assert_same(undisturbed, out)


def test_a_disk_that_fills_up_is_told_and_costs_nothing(whole: tuple[Path, Path, dict[str, Any]], tmp_path: Path
                                                        ) -> None:
    truth, undisturbed, _ = whole
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system can be mounted by the superuser only")
    try:
        done = subprocess.run(_command(truth, disk / "run"), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == BAD_INPUT
        assert "could not be written (No space left on device)" in done.stderr and "Free space" in done.stderr
        stored = {path: path.read_bytes() for path in (disk / "run").rglob("0*.safetensors")}
        again = subprocess.run(_command(truth, disk / "run"), capture_output=True, text=True, timeout=300, check=False)
        assert again.returncode == BAD_INPUT and "No space left" in again.stderr
        assert all(path.read_bytes() == data for path, data in stored.items())
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        _finish(truth, disk / "run")
        _assert_same(undisturbed, disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
