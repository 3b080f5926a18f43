"""Trackers write what can be read back with their own libraries, and never stop a recovery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.progress import Event, Progress, RecoveryStarted, together
from expandcluster.trackers import Tracker, open_tracker

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"


def _recover(progress: Progress, folder: Path | None = None, seed: int = 0) -> ec.Recovery:
    return ec.recover(ec.Teacher.from_network(random_teacher((3, 2, 1), "tanh", 0)), activation="tanh", seed=seed,
                      progress=progress, out=folder)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ec.Recovery, list[Event]]:
    """A folder with board/ and flow/, into which one recovery was written, what it found, and its events."""
    folder = tmp_path_factory.mktemp("tracked")
    events: list[Event] = []
    with open_tracker(f"tensorboard:{folder / 'board'}") as board, open_tracker(f"mlflow:{folder / 'flow'}") as flow:
        recovery = _recover(together(board, events.append, flow), folder / "run")
    return folder, recovery, events


def _board(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder))
    board.Reload()
    return board


def test_tensorboard_reads_curves_and_texts(tracked: tuple[Path, ec.Recovery, list[Event]]) -> None:
    folder, recovery, events = tracked
    board = _board(folder / "board")
    losses = [e.values["best_loss"] for e in events if "best_loss" in e.values]
    assert losses and [(p.step, p.value) for p in board.Scalars("expand/best_loss")] == [
        (step, pytest.approx(loss, rel=1e-6)) for step, loss in enumerate(losses)]
    assert board.Scalars("recover/queries")[0].value == recovery.queries
    (verdict,), (parameters,) = ((e.tensor_proto.string_val[0].decode() for e in board.Tensors(name))
                                 for name in ("verdict", "parameters"))
    assert verdict.startswith("EXACT, hidden sizes 2") and "| activation | tanh |" in parameters
    assert board.SummaryMetadata("verdict").plugin_data.plugin_name == "text"


def test_mlflow_reads_parameters_metrics_verdict_and_network(tracked: tuple[Path, ec.Recovery, list[Event]]) -> None:
    import mlflow

    folder, recovery, events = tracked
    client = mlflow.MlflowClient(tracking_uri=str(folder / "flow"))
    (run,) = client.search_runs([client.get_experiment_by_name("expandcluster").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["activation"] == "tanh" and run.data.params["options.expand.students"] == "8"
    assert run.data.tags["verdict"] == "EXACT" and run.data.tags["hidden_sizes"] == "(2,)"
    assert run.data.metrics["recover/queries"] == recovery.queries
    history = client.get_metric_history(run.info.run_id, "expand/best_loss")
    assert [m.value for m in history] == [e.values["best_loss"] for e in events if "best_loss" in e.values]
    kept = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert kept == {"run.json", "result.json", "network.safetensors"}
    kept = client.download_artifacts(run.info.run_id, "network.safetensors", str(folder))
    assert ec.compare(ec.load_network(kept), random_teacher((3, 2, 1), "tanh", 0)).exact


def _started(name: str) -> RecoveryStarted:
    return RecoveryStarted("recover", name, about={"teacher": name, "options": {"seed": 0}})


def test_a_second_recovery_is_written_beside_the_first(tmp_path: Path) -> None:
    import mlflow

    with (open_tracker(f"tensorboard:{tmp_path / 'board'}") as board,
          open_tracker(f"mlflow:{tmp_path / 'flow'}") as flow):
        for name, loss in (("one", 1.0), ("two", 2.0)):
            for tell in (board, flow):
                tell(_started(name))
                tell(Event("expand", "wave", {"best_loss": loss, "at_floor": float("nan")}))
    for part, loss in (("board", 1.0), ("board/2", 2.0)):
        (point,) = _board(tmp_path / part).Scalars("expand/best_loss")
        assert (point.step, point.value) == (0, loss)
    client = mlflow.MlflowClient(tracking_uri=str(tmp_path / "flow"))
    runs = client.search_runs([client.get_experiment_by_name("expandcluster").experiment_id])
    assert sorted((r.data.params["teacher"], r.data.metrics["expand/best_loss"]) for r in runs) == [
        ("one", 1.0), ("two", 2.0)]
    assert all("expand/at_floor" not in r.data.metrics for r in runs)  # not a number: no point of a curve


def test_what_stopped_in_the_middle_is_marked_failed(tmp_path: Path) -> None:
    import mlflow

    with pytest.raises(KeyboardInterrupt), open_tracker(f"mlflow:{tmp_path}") as flow:
        flow(_started("one"))
        raise KeyboardInterrupt
    client = mlflow.MlflowClient(tracking_uri=str(tmp_path))
    (run,) = client.search_runs([client.get_experiment_by_name("expandcluster").experiment_id])
    assert run.info.status == "FAILED"


class _Broken(Tracker):
    name = "Broken"
    told = 0

    def _begin(self, parameters: dict[str, str]) -> None:
        pass

    def _number(self, name: str, value: float, step: int) -> None:
        self.told += 1
        raise OSError("no space left on device")

    def _result(self, event: Any) -> None:
        raise OSError

    def _end(self, failed: bool) -> None:
        raise OSError


def test_a_tracker_that_fails_warns_once_and_the_recovery_goes_on() -> None:
    events: list[Event] = []
    with warnings.catch_warnings(record=True) as caught, _Broken() as broken:
        warnings.simplefilter("always")
        recovery = _recover(together(broken, events.append))
    said = [w for w in caught if "Broken failed" in str(w.message)]
    assert recovery.exact and len(said) == 1 and "no space left" in str(said[0].message)
    assert broken.told == 1 and len(events) > 20


@pytest.mark.parametrize(("text", "words"), [
    ("tensorbord:x", "tensorboard:DIR or mlflow:URI"), ("tensorboard:", "tensorboard:DIR"), ("x", "--track"),
    ("mlflow:nothing://x", "tracking store"), ("tensorboard:FILE/x", "cannot be made")])
def test_bad_trackers_are_refused_before_anything_starts(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=words):
        open_tracker(text.replace("FILE", str(tmp_path / "file")))


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("mlflow", "tensorboard.compat.proto"):
        monkeypatch.setitem(sys.modules, module, None)
    for kind in ("mlflow", "tensorboard"):
        with pytest.raises(MissingExtra, match=r"expandcluster\[track\]"):
            open_tracker(f"{kind}:{tmp_path}")


def test_the_command_line_tells_several_trackers_and_no_one_else(tmp_path: Path) -> None:
    """Sockets are closed to the command: nothing but files is written."""
    ec.save_network(random_teacher((3, 2, 1), "tanh", 0), tmp_path / "truth.safetensors")
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(self, address):\n"
        "    open('asked', 'a').write(str(address))\n"
        "    raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    done = subprocess.run([sys.executable, "-m", "expandcluster", "recover", "truth.safetensors", "--activation",
                           "tanh",
                           "--json", "--track", "tensorboard:board", "--track", "mlflow:flow"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300, env={**env, "PYTHONPATH": path})
    assert done.returncode == 0 and json.loads(done.stdout)["verdict"] == "EXACT", done.stderr
    assert not (tmp_path / "asked").exists()
    assert _board(tmp_path / "board").Scalars("recover/hidden_neurons")[0].value == 2
    assert list((tmp_path / "flow").rglob("network.safetensors"))
