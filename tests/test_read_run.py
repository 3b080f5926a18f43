"""Run folders read back: the same recovery, and a plain refusal of anything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.errors import BadInput
from expandcluster.read_run import read_description, read_run, read_students
from expandcluster.results import Recovery
from expandcluster.storage import read_arrays, write_arrays


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
    for name in ("losses", "steps", "pruned_losses", "curves"):
        np.testing.assert_array_equal(getattr(again, name), getattr(recovery, name))
    assert again.verdict is recovery.verdict and again.timings == recovery.timings
    for name in ("relative_loss", "noise_floor", "queries", "seconds", "seed", "folder", "floor"):
        assert getattr(again, name) == getattr(recovery, name), name


def test_curves_of_every_student(recovery: Recovery) -> None:
    students = len(recovery.losses)
    assert len(recovery.curves) == len(recovery.pruned_losses) == students > 0
    for s, curve in enumerate(recovery.curves):
        curve = curve[np.isfinite(curve[:, 0])]
        np.testing.assert_allclose(curve[-1], [recovery.steps[s], recovery.losses[s]])
    assert (recovery.pruned_losses <= recovery.floor).sum() >= recovery.students_at_floor > 0


def test_a_run_without_curves_is_still_read(recovery: Recovery, tmp_path: Path) -> None:
    """As an earlier version left it."""
    assert recovery.folder is not None
    folder = tmp_path / "copy"
    shutil.copytree(recovery.folder, folder)
    for name in ("expand", "settle"):
        path = folder / "stages" / f"{name}.safetensors"
        arrays, header = read_arrays(path)
        tree = json.loads(header["value"])
        for field in ("curves", "all_pruned"):
            del tree["fields"][field]
        write_arrays(path, arrays, {**header, "value": json.dumps(tree)})
    again = read_run(folder)
    assert again.curves.shape == (0, 0, 2) and not len(again.pruned_losses)
    np.testing.assert_array_equal(again.losses, recovery.losses)
    assert again.floor == recovery.floor


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


def test_an_activation_that_is_no_listed_one(tmp_path: Path) -> None:
    def cubic(z: jax.Array) -> jax.Array:
        return jnp.tanh(z) + 0.1 * z**3

    teacher = ec.Teacher.from_callable(lambda x: x[:, :1] ** 2, 2)
    few = ec.RecoverOptions(expand=ec.ExpandOptions(students=1, enough=1, waves=0, widths=(2,)))
    ec.recover(teacher, activation=cubic, options=few, out=tmp_path / "run")
    network = read_students(tmp_path / "run").networks[0]
    assert network.activation.name == "cubic"
    with pytest.raises(BadInput, match="does not keep"):
        network(np.zeros((1, 2)))
    known = read_students(tmp_path / "run", activation=cubic).networks[0]
    assert np.isfinite(known(np.zeros((1, 2)))).all()
