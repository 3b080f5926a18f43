"""Run folders read back: the same recovery, and a plain refusal of anything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.errors import BadInput
from expandcluster.read_run import read_description, read_run, read_students
from expandcluster.results import Recovery


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Recovery:
    folder = tmp_path_factory.mktemp("read") / "run"
    teacher = ec.Teacher.from_network(random_teacher((3, 3, 1), "tanh", 0))
    return ec.recover(teacher, activation="tanh", seed=4, out=folder)


def test_the_same_recovery(recovery: Recovery) -> None:
    assert recovery.folder is not None
    again = read_run(recovery.folder)
    assert recovery.network is not None and again.network is not None
    saved = ec.load_network(recovery.folder / "network.safetensors")
    for a, b, c in zip(recovery.network.weights, again.network.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(again.layers[0].labels, recovery.layers[0].labels)
    np.testing.assert_array_equal(again.losses, recovery.losses)
    assert again.verdict is recovery.verdict and again.timings == recovery.timings
    for name in ("relative_loss", "noise_floor", "queries", "seconds", "seed", "folder"):
        assert getattr(again, name) == getattr(recovery, name), name


def test_the_students(recovery: Recovery) -> None:
    assert recovery.folder is not None
    students = read_students(recovery.folder)
    assert students.at_floor == recovery.students_at_floor == len(students.networks)
    np.testing.assert_array_equal(students.all_losses, recovery.losses)
    neurons = sum(network.hidden_sizes[0] for network in students.networks)
    assert neurons >= len(recovery.layers[0].student)
    assert students.networks[0](np.zeros((2, students.networks[0].sizes[0]))).shape == (2, 1)


def test_what_is_no_finished_run_is_refused(recovery: Recovery, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="without result"):
        read_run(tmp_path)
    with pytest.raises(BadInput, match=r"without run\.json"):
        read_students(tmp_path)
    assert recovery.folder is not None
    for name in ("run.json", "result.json"):
        (tmp_path / name).write_bytes((recovery.folder / name).read_bytes())
    with pytest.raises(BadInput, match="without its stage 'probe'"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "result.json", "stages/cluster.safetensors"])
def test_damaged_files_are_refused(recovery: Recovery, tmp_path: Path, name: str) -> None:
    assert recovery.folder is not None
    folder = tmp_path / "copy"
    shutil.copytree(recovery.folder, folder)
    for damage in (b"", b"[]", (folder / name).read_bytes()[:40]):
        (folder / name).write_bytes(damage)
        with pytest.raises(BadInput):
            read_run(folder)


def test_a_stage_of_another_kind_is_refused(recovery: Recovery, tmp_path: Path) -> None:
    assert recovery.folder is not None
    folder = tmp_path / "copy"
    shutil.copytree(recovery.folder, folder)
    shutil.copy(folder / "stages" / "probe.safetensors", folder / "stages" / "cluster.safetensors")
    with pytest.raises(BadInput, match="holds a Probe"):
        read_run(folder)


def test_description(recovery: Recovery) -> None:
    assert recovery.folder is not None
    about = read_description(recovery.folder)
    assert (about.inputs, about.outputs, about.activation, about.seed) == (3, 1, "tanh", 4)
    assert about.queries["certify"] == recovery.queries
    assert list(about.queries.values()) == sorted(about.queries.values())
    assert "numpy" in about.versions and about.options["cluster"]["cut"] == "gap"


def test_an_activation_that_is_no_listed_one(recovery: Recovery, tmp_path: Path) -> None:
    assert recovery.folder is not None
    folder = tmp_path / "copy"
    shutil.copytree(recovery.folder, folder)
    about = json.loads((folder / "run.json").read_text())
    about["run"]["activation"] = "cubic"
    (folder / "run.json").write_text(json.dumps(about))
    network = read_run(folder).network
    assert network is not None and network.activation.name == "cubic"
    with pytest.raises(BadInput, match="does not keep"):
        network(np.zeros((1, 3)))
    known = read_run(folder, activation="tanh").network
    assert known is not None and np.isfinite(known(np.zeros((1, 3)))).all()
