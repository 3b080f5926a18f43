"""A run against a server that is killed again and again asks nothing twice and ends in the same network."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx")
pytest.importorskip("onnx")

from tests.problems import random_teacher
from tests.teachers.inference_server import InferenceServer

from expandcluster.export.onnx_file import network_to_onnx
from expandcluster.export.open_network import open_network
from expandcluster.queries.answers import Answers

KILLS, AT_ONCE = 10, 4 * 256  # rows of the requests under way at the same time
TRUTH = random_teacher((12, 4, 2), "tanh", 3)


def _command(server: InferenceServer, out: Path) -> list[str]:
    return [sys.executable, "-m", "expandcluster", "recover", server.url("model"), "--activation", "tanh",
            "--out", str(out), "--json"]


def _finish(server: InferenceServer, out: Path) -> dict[str, Any]:
    done = subprocess.run(_command(server, out), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _stored(out: Path) -> int:
    """Answers in the run folder."""
    if not (out / "answers.bin").exists():
        return 0
    answers = Answers(out / "answers.bin", 2)
    count = len(answers)
    answers.close()
    return count


def test_ten_kills_at_random_moments(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    network_to_onnx(TRUTH, tmp_path / "models" / "model.onnx")
    moments = random.Random(0)
    with InferenceServer(tmp_path / "models") as server:
        server.reset(delay=0.1)
        whole = _finish(server, tmp_path / "whole")
        server.reset(delay=0.1)
        out, killed, lost = tmp_path / "killed", 0, 0
        for kill in range(KILLS):
            until = whole["queries"] * (kill + moments.random()) / KILLS  # rows asked, however fast the machine is
            running = subprocess.Popen(_command(server, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(moments.uniform(0.2, 1.0))
            while server.counts()["rows"] < until and running.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.2))
            if running.poll() is None:
                running.kill()
                killed += 1
            running.wait()
            time.sleep(0.5)  # the server ends what it was asked
            under_way = server.counts()["rows"] - _stored(out) - lost  # answered, but too late
            assert 0 <= under_way <= AT_ONCE
            lost += under_way
        found = _finish(server, out)
        assert server.counts()["rows"] == _stored(out) + lost  # what was stored was never asked again
    assert killed >= KILLS // 2
    assert found["verdict"] == whole["verdict"] == "EXACT" and found["queries"] == whole["queries"]
    first, second = (open_network(str(tmp_path / name)) for name in ("whole", "killed"))
    for a, b in zip((*first.weights, *first.biases), (*second.weights, *second.biases), strict=True):
        np.testing.assert_array_equal(a, b)
