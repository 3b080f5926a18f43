"""An audit end to end on small models, what its rows say, and its going on after a kill."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.audit import AuditOptions, limits, open_subject, run_audit, summarise
from expandcluster.audit.summary import headline
from expandcluster.audit.write import write_audit
from expandcluster.errors import BadInput
from expandcluster.export.onnx_file import network_to_onnx

SMALL = AuditOptions(budgets=(25, 400), defences=("round:3", "probabilities"), seeds=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    network_to_onnx(random_teacher((3, 2, 2), "tanh", 0), path)
    return path


@pytest.fixture(scope="module")
def audit(model: Path, tmp_path_factory: pytest.TempPathFactory):
    subject = open_subject(str(model))
    how = subject.attack(None, None, "auto", 60.0)
    out = tmp_path_factory.mktemp("audit")
    return run_audit(subject, how, SMALL, out / "a"), out / "a"


def test_what_is_known_is_read_from_the_model(audit) -> None:
    found, _ = audit
    assert found.known and found.how.activation.name == "tanh" and found.how.hidden_layers == 1
    assert found.least == 7  # 14 parameters, 2 outputs


def test_every_budget_and_defence_has_its_row_and_keeps_to_its_budget(audit) -> None:
    found, _ = audit
    keys = {row.key for row in found.rows}
    assert keys == {("none", None, 0), ("none", 25, 0), ("none", 400, 0), ("round:3", None, 0),
                    ("probabilities", None, 0)}
    assert all(row.budget is None or row.queries <= row.budget for row in found.rows)


def test_an_open_model_is_public_and_a_defended_one_is_not_called_exact_wrongly(audit) -> None:
    found, _ = audit
    (free,) = found.of(found.defences[0].__class__())
    assert free.exact and free.parameter_error < 1e-8 and free.functional_error < 1e-10
    assert found.wrong == []
    (rounded,) = found.of(found.defences[0])
    assert not rounded.exact and (rounded.functional_error is None or 1e-6 < rounded.functional_error < 0.1)


def test_a_wrong_network_called_exact_is_counted_and_said(audit) -> None:
    found, _ = audit
    rows = tuple(dataclasses.replace(row, parameter_error=0.1) if row.key == ("none", None, 0) else row
                 for row in found.rows)
    wrong = dataclasses.replace(found, rows=rows)
    assert [row.key for row in wrong.wrong] == [("none", None, 0)]
    assert summarise(wrong)[0].wrong == 1


def test_files_hold_every_row_the_table_and_the_limits(audit, tmp_path: Path) -> None:
    found, _ = audit
    pytest.importorskip("matplotlib")
    files = write_audit(found, tmp_path)
    assert [f.name for f in files] == ["audit.json", "audit.csv", "audit.png", "audit.svg"]
    with open(tmp_path / "audit.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found.rows) == 5
    told = json.loads((tmp_path / "audit.json").read_text())
    assert told["headline"] == headline(found) and told["limits"] == list(limits(found))
    assert len(told["lines"]) == 5 and told["wrongly_called_exact"] == 0
    assert (tmp_path / "audit.png").read_bytes()[:4] == b"\x89PNG"


def test_a_finished_audit_asks_nothing_and_a_larger_one_only_what_is_new(audit, model: Path) -> None:
    found, out = audit
    told: list[ec.Event] = []
    subject = open_subject(str(model))
    again = run_audit(subject, subject.attack(None, None, "auto", 60.0), SMALL, out, told.append)
    assert told == [] and again.rows == found.rows
    more = dataclasses.replace(SMALL, budgets=(25, 200, 400))
    larger = run_audit(subject, subject.attack(None, None, "auto", 60.0), more, out, told.append)
    assert len(told) == 1 and len(larger.rows) == 6


def test_a_folder_of_another_audit_is_refused(audit, tmp_path: Path) -> None:
    _, out = audit
    other = tmp_path / "other.safetensors"
    ec.save_network(random_teacher((3, 2, 2), "tanh", 1), other)
    subject = open_subject(str(other))
    with pytest.raises(BadInput):
        run_audit(subject, subject.attack(None, None, "auto", 60.0), SMALL, out)


def test_of_an_unknown_model_the_errors_are_said_to_be_agreement(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "hidden_model.py").write_text("import numpy as np\ndef answer(x):\n"
                                              "    return np.tanh(x @ np.array([[1.0], [2.0], [-1.0]]) + 0.3)\n")
    monkeypatch.chdir(tmp_path)
    subject = open_subject("hidden_model:answer", input_size=3)
    with pytest.raises(BadInput, match="activation"):
        subject.attack(None, None, "auto", 60.0)
    options = AuditOptions(budgets=(), defences=(), seeds=2)
    found = run_audit(subject, subject.attack("tanh", 1, "auto", 60.0), options, tmp_path / "out")
    assert not found.known and found.wrong == []
    assert "how far recoveries agree" in limits(found)[0]
    assert max(row.parameter_error for row in found.rows if row.seed == 1) < 1e-8


def test_a_table_cannot_be_audited(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", x=np.random.default_rng(0).normal(size=(50, 2)), y=np.zeros((50, 1)))
    with pytest.raises(BadInput, match="can be asked"):
        open_subject(str(tmp_path / "table.npz"))


def test_an_audit_that_was_killed_goes_on(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "expandcluster", "audit", str(model), "--seeds", "1", "--budgets", "60,200",
               "--defence", "round:3", "--defence", "limit:100", "--out", str(out), "--json"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while not (out / "rows.jsonl").exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = (out / "rows.jsonl").read_text()
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=os.environ)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (out / "rows.jsonl").read_text().startswith(kept[: kept.rfind("\n") + 1])
    assert len(told["rows"]) == 5 and told["wrongly_called_exact"] == 0
    assert [row["queries"] <= 100 for row in told["rows"] if row["defence"] == "limit:100"] == [True]
