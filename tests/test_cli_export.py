"""`expandcluster export`: real processes on real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.teachers.base import Teacher

NETWORK = random_teacher((4, 3, 2), "tanh", 0)


def _export(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "expandcluster", "export", *map(str, arguments)], capture_output=True,
                          text=True, timeout=120, env={**os.environ, "NO_COLOR": "1"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a finished run of a classifier leaves."""
    folder = tmp_path / "run"
    ec.save_network(NETWORK, folder / "network.safetensors")
    (folder / "result.json").write_text(json.dumps({"output": "softmax"}))
    return folder


def test_a_run_becomes_a_model_that_answers_as_its_teacher(run: Path, tmp_path: Path) -> None:
    out, x = tmp_path / "model.onnx", np.random.default_rng(0).normal(size=(20, 4))
    done = _export(run, out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"network": str(out), "sizes": [4, 3, 2], "activation": "tanh",
                                       "output": "softmax", "dtype": "float64"}
    assert onnx.load(out).graph.node[-1].op_type == "Softmax"
    odds = np.exp(NETWORK(x))
    np.testing.assert_allclose(Teacher.from_onnx(out).ask(x), odds / odds.sum(axis=1, keepdims=True), atol=1e-12)
    content = out.read_bytes()
    refused = _export(run, out, "--float32")
    assert refused.returncode == 2 and "got a file that exists; expected a new one" in refused.stderr
    assert out.read_bytes() == content
    done = _export(run, out, "--float32", "--output", "raw", "--force")
    assert done.returncode == 0 and done.stdout.strip() == str(out)
    assert onnx.load(out).graph.node[-1].op_type == "Gemm"
    np.testing.assert_allclose(Teacher.from_onnx(out).ask(x), NETWORK(x), atol=1e-5)
    done = _export(out, tmp_path / "back.safetensors")
    assert done.returncode == 0
    np.testing.assert_array_equal(ec.load_network(tmp_path / "back.safetensors").weights[0],
                                  NETWORK.weights[0].astype(np.float32))


def test_bad_input_leaves_nothing(run: Path, tmp_path: Path) -> None:
    for arguments, message in (((run, tmp_path / "net.txt"), "expected .safetensors, .onnx, .pt, .pth"),
                               ((tmp_path / "none", tmp_path / "net.onnx"), "got no such file")):
        done = _export(*arguments)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
