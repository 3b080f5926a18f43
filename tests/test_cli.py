"""The command line: what it prints, its exit codes, and that nothing is lost. Real processes on real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.problems import onnx_with_last, random_teacher

import expandcluster as ec

RESULT_KEYS = {"verdict", "hidden_sizes", "relative_loss", "noise_floor", "queries", "seconds", "network"}


def _run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "expandcluster", *map(str, arguments)], capture_output=True, text=True,
                          cwd=cwd, timeout=300, env={**os.environ, "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.safetensors"
    ec.save_network(random_teacher((4, 3, 2), "tanh", 0), path)
    return path


@pytest.fixture(scope="module")
def run_folder(truth, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    done = _run("recover", truth, "--activation", "tanh", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return out


def test_help_and_version_do_not_load_jax():
    code = ("import sys; from expandcluster.cli import app; from typer.testing import CliRunner; "
            "CliRunner().invoke(app, ['recover', '--help']); "
            "print([m for m in ('jax', 'sklearn', 'torch') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
    assert _run("--version").stdout.strip() == ec.__version__


def test_recover_prints_a_table_and_plain_progress(truth, tmp_path):
    done = _run("recover", truth, "--activation", "tanh", "--out", tmp_path / "run")
    assert done.returncode == 0
    assert "EXACT" in done.stdout and "\x1b" not in done.stdout + done.stderr
    assert "wave of 8 students" in done.stderr


def test_json_is_one_object_and_nothing_else(truth, run_folder):
    done = _run("recover", truth, "--activation", "tanh", "--out", run_folder, "--json")
    result = json.loads(done.stdout)
    assert result.keys() >= RESULT_KEYS
    assert result["verdict"] == "EXACT" and result["hidden_sizes"] == [3]
    assert Path(result["network"]).is_file()
    assert json.loads((run_folder / "result.json").read_text())["verdict"] == "EXACT"


def test_compare_takes_runs_and_networks(truth, run_folder):
    done = _run("compare", run_folder, truth, "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["sizes_match"] and result["exact"]
    assert result["max_parameter_error"] <= 1e-8
    assert _run("compare", run_folder / "network.safetensors", truth).returncode == 0


def test_compare_with_another_network(run_folder, tmp_path):
    ec.save_network(random_teacher((4, 5, 2), "tanh", 9), tmp_path / "other.safetensors")
    done = _run("compare", run_folder, tmp_path / "other.safetensors", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 3 and not result["sizes_match"] and result["max_parameter_error"] is None


def test_compare_tells_how_exact_the_determined_parameters_of_a_run_are(tmp_path):
    network = random_teacher((4, 3, 2), "tanh", 0)
    x = np.random.default_rng(0).normal(size=(1500, 4))
    x[:, 2] = 0.5
    np.savez(tmp_path / "table.npz", x=x, y=network(x))
    ec.save_network(network, tmp_path / "truth.safetensors")
    assert _run("recover", "table.npz", "--activation", "tanh", cwd=tmp_path).returncode == 3
    done = _run("compare", "runs/table.npz", "truth.safetensors", cwd=tmp_path)
    assert done.returncode == 3 and "of determined ones" in done.stdout
    result = json.loads(_run("compare", "runs/table.npz", "truth.safetensors", "--json", cwd=tmp_path).stdout)
    assert not result["exact"] and result["max_parameter_error"] >= 1e-2 and result["determined_error"] <= 1e-8
    found = _run("compare", "runs/table.npz/network.safetensors", "truth.safetensors", cwd=tmp_path)
    assert found.returncode == 3 and "of determined ones" not in found.stdout
    shutil.rmtree(tmp_path / "runs" / "table.npz" / "stages")  # the network alone can still be compared
    assert _run("compare", "runs/table.npz", "truth.safetensors", cwd=tmp_path).stdout == found.stdout


def test_noise_in_a_table_is_said(tmp_path):
    network, rng = random_teacher((4, 3, 2), "tanh", 0), np.random.default_rng(0)
    x = rng.normal(size=(2000, 4))
    y = network(x)
    np.savez(tmp_path / "table.npz", x=x, y=y + 0.01 * y.std() * rng.normal(size=y.shape))
    done = _run("recover", "table.npz", "--activation", "tanh", "--noise", 0.01, "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert done.returncode == 3 and result["verdict"] == "IMPRECISE" and result["hidden_sizes"] == [3]
    assert _run("recover", "table.npz", "--activation", "tanh", "--noise", -1, cwd=tmp_path).returncode == 2


def test_probabilities_are_found_and_what_they_hide_is_said(tmp_path):
    path = onnx_with_last(random_teacher((4, 3, 3), "tanh", 0), "Softmax", tmp_path / "net.onnx", np.float64)
    done = _run("recover", path, "--activation", "tanh", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("softmax", "sum to 1", "hidden by softmax", "common shift"):
        assert word in " ".join(done.stdout.split())
    assert "class probabilities, taken before their softmax" in done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["output"] == "softmax" and "shift" in result["hidden_by_output"]
    found = json.loads(_run("compare", tmp_path / "run", path, "--json").stdout)
    assert found["exact"] and found["max_parameter_error"] <= 1e-8
    other = _run("compare", tmp_path / "run", path, "--output", "raw")
    assert other.returncode == 2 and "Softmax after the last linear layer" in other.stderr
    assert "softmax" in Path(_run("report", tmp_path / "run").stdout.strip()).read_text()


def test_another_verdict_is_exit_code_3(truth, tmp_path):
    done = _run("recover", truth, "--activation", "tanh", "--out", tmp_path / "run", "--max-queries", 12,
                "--largest-matrix", 3, "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["verdict"] == "TOO_FEW_QUERIES"
    told = json.loads((tmp_path / "run" / "run.json").read_text())["run"]["options"]
    assert told["queries"]["max_queries"] == 12 and told["expand"]["trainers"][0]["largest_matrix"] == 3 * 2**20


def test_a_function_in_the_working_directory(tmp_path):
    (tmp_path / "model.py").write_text("import numpy as np\ndef answer(x):\n    return np.tanh(x @ [[1.0], [2.0]])\n")
    done = _run("recover", "model:answer", "--input-size", 2, "--activation", "tanh", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hidden_sizes"] == [1]
    assert (tmp_path / "runs" / "model-answer" / "network.safetensors").is_file()


@pytest.mark.parametrize(("arguments", "words"), [
    (["recover", "missing.onnx", "--activation", "tanh"], ["no such file"]),
    (["recover", "model.pkl", "--activation", "tanh"], ["never loaded", ".onnx"]),
    (["recover", "no.module:f", "--activation", "tanh", "--input-size", "2"], ["module"]),
    (["recover", "TRUTH", "--activation", "tanhh"], ["Did you mean 'tanh'"]),
    (["recover", "TRUTH", "--activation", "leaky_relu(x)"], ["finite number"]),
    (["recover", "TRUTH", "--activation", "tanh", "--hidden-layers", "0"], ["hidden_layers"]),
    (["recover", "TRUTH", "--activation", "tanh", "--output", "sigmoid"], ["Did you mean 'logistic'"]),
    (["recover", "TRUTH", "--activation", "tanh", "--output", "softmax"], ["probabilities from 0 to 1", "raw"]),
    (["compare", "TRUTH", "TRUTH", "--output", "softmx"], ["Did you mean 'softmax'"]),
    (["recover", "TRUTH", "--activation", "tanh", "--inputs", "missing.npy"], ["no such file"]),
    (["recover", "TRUTH"], ["--activation"]),
    (["compare", "missing", "TRUTH"], ["no such file"]),
    (["compare", "TRUTH", "folder"], ["network.safetensors"]),
    (["frobnicate"], ["No such command"]),
])
def test_bad_usage_is_exit_code_2_with_a_reason(arguments, words, truth, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n")
    done = _run(*[str(truth) if a == "TRUTH" else a for a in arguments], cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in " ".join(done.stderr.split())


def test_a_folder_of_another_run_is_left_as_it_is(truth, run_folder):
    before = {p: p.read_bytes() for p in run_folder.rglob("*") if p.is_file()}
    done = _run("recover", truth, "--activation", "sigmoid", "--out", run_folder)
    assert done.returncode == 2 and "another run" in done.stderr and "tanh" in done.stderr
    assert before == {p: p.read_bytes() for p in run_folder.rglob("*") if p.is_file()}


def test_a_truncated_table_is_refused(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.savez(tmp_path / "whole.npz", x=x, y=x[:, :1])
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:700])
    done = _run("recover", "half.npz", "--activation", "tanh", cwd=tmp_path)
    assert done.returncode == 2 and "damaged" in done.stderr and not (tmp_path / "runs").exists()


def test_a_killed_run_goes_on_and_asks_nothing_twice(tmp_path):
    # The teacher writes down every input it is asked.
    (tmp_path / "model.py").write_text(
        "import numpy as np\nW = np.random.default_rng(0).normal(size=(5, 4))\n"
        "A = np.random.default_rng(1).normal(size=(4, 2))\n"
        "def answer(x):\n    open('asked.bin', 'ab').write(np.ascontiguousarray(x).tobytes())\n"
        "    return np.tanh(x @ W) @ A\n")
    command = [sys.executable, "-m", "expandcluster", "recover", "model:answer", "--input-size", "5", "--activation",
               "tanh", "--out", "run", "--json"]
    for seconds in (2.5, 4.0, 6.0):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    killed = json.loads(done.stdout)
    rows = np.fromfile(tmp_path / "asked.bin").reshape(-1, 5)
    repeated = len(rows) - len(np.unique(rows, axis=0))
    sittings = 4
    # Nine inputs are repeated on purpose, four of them twice; one a sitting tells the number of outputs.
    assert repeated <= 9 + 4 + sittings
    whole = json.loads(subprocess.run([*command[:-2], "whole", "--json"], cwd=tmp_path, capture_output=True, text=True,
                                      timeout=300).stdout)
    assert killed["queries"] == whole["queries"] and killed["relative_loss"] == whole["relative_loss"]
    a, b = (ec.load_network(tmp_path / name / "network.safetensors").weights for name in ("run", "whole"))
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_demo(tmp_path):
    done = _run("demo", "--out", tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["sizes"] == [64, 16, 10] and result["exact"] and result["max_parameter_error"] <= 1e-8
    assert _run("compare", tmp_path / "demo", tmp_path / "demo" / "truth.safetensors").returncode == 0
