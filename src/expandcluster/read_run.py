"""A finished run folder as the :class:`Recovery` it came from, without asking the teacher or training."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from expandcluster.activations import Activation, Elementwise, Symmetry, get_activation
from expandcluster.errors import BadInput
from expandcluster.expand.choose import AUTO, Choice
from expandcluster.expand.expand import Students
from expandcluster.networks import Network
from expandcluster.queries.probe import Probe
from expandcluster.queries.row_space import RowSpace
from expandcluster.reconstruct.challenge import Challenge
from expandcluster.reconstruct.layers import Reconstruction
from expandcluster.reconstruct.lift import Lift
from expandcluster.results import Certificate, Recovery, Verdict
from expandcluster.run_folder import _STAGE_RESULTS
from expandcluster.storage import load, names
from expandcluster.teachers.links import Link

__all__ = ["RunDescription", "read_description", "read_probe", "read_run", "read_students"]

# What each stage of `recover.py` leaves behind, in its order.
_STAGES: dict[str, type | tuple[type, ...]] = {
    "link": Link, "probe": Probe, "reduce": RowSpace, "choose": Choice, "expand": Students, "settle": Students,
    "cluster": Reconstruction, "fine_tune": (Network, type(None)), "challenge": Challenge, "lift": Lift,
    "certify": (Certificate, type(None)),
}
_OLDER = ("link", "choose")  # stages that runs of earlier versions lack


@dataclasses.dataclass(frozen=True)
class RunDescription:
    """What a run folder says about a run beyond its :class:`Recovery`.

    Attributes:
        teacher: name of the teacher.
        inputs: numbers in one input.
        outputs: numbers in one answer.
        dtype: of the teacher's answers, for example ``"float64"``.
        activation: name of the activation, or of those that were tried.
        hidden_layers: how many hidden layers were looked for, or ``"auto"``.
        seed: of queries and students.
        options: options of every stage, as in ``run.json``.
        given_inputs: whether only inputs chosen by the user were asked.
        versions: version of Python and of each package.
        machine: what the run was started on.
        queries: inputs asked by the end of each stage; only stages that end with stored answers.
        output: what the user said that the teacher answers, for example ``"auto"``.
        image_shape: of one input, where inputs were images; see :class:`expandcluster.Inputs`.
    """

    teacher: str
    inputs: int
    outputs: int
    dtype: str
    activation: str
    hidden_layers: int | str
    seed: int
    options: dict[str, Any]
    given_inputs: bool
    versions: dict[str, str]
    machine: str
    queries: dict[str, int]
    output: str = "auto"
    image_shape: tuple[int, ...] | None = None


def read_run(folder: str | os.PathLike[str], activation: Activation | Elementwise | str | None = None) -> Recovery:
    """Rebuild the result of a finished run from its folder.

    Args:
        folder: a run folder.
        activation: needed only to evaluate networks of an activation that is not a listed one;
            without it such a network is returned, and refuses to be called.

    Raises:
        BadInput: the folder is no finished run, or a file in it is damaged.
    """
    folder = Path(folder)
    result = _json(folder, "result.json")
    about = _json(folder, "run.json")
    try:
        verdict, queries, seed = Verdict[result["verdict"]], int(result["queries"]), int(about["run"]["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unfinished(folder, f"a damaged result.json or run.json ({error!r})") from error
    values, timings = _stages(folder, activation)
    certificate, students = values["certify"], values["settle"]
    return Recovery(
        network=values["lift"].network,
        verdict=verdict,
        relative_loss=certificate.relative_loss if certificate else students.best_loss,
        noise_floor=values["probe"].noise_floor,
        queries=queries,
        seconds=sum(timings.values()),
        certificate=certificate,
        layers=values["cluster"].layers,
        losses=students.all_losses,
        seed=seed,
        timings=timings,
        folder=folder,
        output=values["link"].kind,
        told_by=values["link"].why,
        tried=values["choose"].tried,
        steps=students.all_steps,
        pruned_losses=students.all_pruned,
        curves=students.curves,
        floor=max(values["probe"].floor, students.floor),
        students_at_floor=students.at_floor,
    )


def read_students(folder: str | os.PathLike[str], activation: Activation | Elementwise | str | None = None) -> Students:
    """The students whose neurons a finished run has clustered.

    Args:
        folder: a run folder.
        activation: see :func:`read_run`.

    Raises:
        BadInput: the folder is no finished run, or a file in it is damaged.
    """
    folder = Path(folder)
    _json(folder, "run.json")
    return _stages(folder, activation)[0]["settle"]


def read_probe(folder: str | os.PathLike[str]) -> Probe:
    """What a finished run has learnt of the teacher's precision.

    Raises:
        BadInput: the folder is no finished run, or a file in it is damaged.
    """
    path = Path(folder) / "stages" / "probe.safetensors"
    if not path.is_file():
        raise _unfinished(Path(folder), "a run without its stage 'probe'")
    value, _ = load(path, names((Probe,)))
    if not isinstance(value, Probe):
        raise _unfinished(Path(folder), f"a stage 'probe' that holds a {type(value).__name__}")
    return value


def read_description(folder: str | os.PathLike[str]) -> RunDescription:
    """What ``run.json`` and the headers of the stages say about a finished run.

    Raises:
        BadInput: the folder is no finished run, or a file in it is damaged.
    """
    folder = Path(folder)
    about = _json(folder, "run.json")
    try:
        run = about["run"]
        depth = run["hidden_layers"]
        return RunDescription(
            teacher=str(run["teacher"]), inputs=int(run["inputs"]), outputs=int(run["outputs"]),
            dtype=str(run["dtype"]), activation=str(run["activation"]),
            hidden_layers=depth if depth == AUTO else int(depth),
            seed=int(run["seed"]), options=dict(run["options"]), given_inputs=run["asked_inputs"] is not None,
            versions={str(k): str(v) for k, v in about.get("versions", {}).items()},
            machine=str(about.get("machine", "")), queries=_answers(folder),
            output=str(run.get("output", "raw")),
            image_shape=tuple(map(int, run["image_shape"])) if "image_shape" in run else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unfinished(folder, f"a damaged run.json ({error!r})") from error


def _stages(folder: Path, activation: Activation | Elementwise | str | None) -> tuple[dict[str, Any], dict[str, float]]:
    """Result and seconds of every stage."""
    given = None if activation is None else get_activation(activation)
    known: dict[str, Activation] = {}

    def network(weights: tuple[Any, ...], biases: tuple[Any, ...], activation: str) -> Network:
        known[activation] = given or known.get(activation) or _activation(activation)
        return Network(weights, biases, known[activation])

    classes: dict[str, Callable[..., Any]] = {**names(_STAGE_RESULTS), "Network": network}
    values: dict[str, Any] = {"link": Link(), "choose": Choice("", 0, ())}
    timings = {}
    for name, expected in _STAGES.items():
        path = folder / "stages" / f"{name}.safetensors"
        if not path.is_file() and name in _OLDER:
            continue
        if not path.is_file():
            raise _unfinished(folder, f"a run without its stage '{name}'")
        values[name], header = load(path, classes)
        try:
            timings[name] = float(header["seconds"])
        except (KeyError, ValueError) as error:
            raise _unfinished(folder, f"a damaged stage '{name}' ({error!r})") from error
        if not isinstance(values[name], expected):
            raise _unfinished(folder, f"a stage '{name}' that holds a {type(values[name]).__name__}")
    return values, timings


def _answers(folder: Path) -> dict[str, int]:
    """Answers stored by the end of each stage."""
    from safetensors import SafetensorError, safe_open

    answers = {}
    for name in _STAGES:
        path = folder / "stages" / f"{name}.safetensors"
        if not path.is_file() and name in _OLDER:
            continue
        if not path.is_file():
            raise _unfinished(folder, f"a run without its stage '{name}'")
        try:
            with safe_open(str(path), framework="numpy") as file:
                answers[name] = int((file.metadata() or {})["answers"])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise _unfinished(folder, f"a damaged stage '{name}' ({error!r})") from error
    return answers


def _json(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise _unfinished(folder, "no such folder" if not folder.exists() else "a file")
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfinished(folder, f"a folder without {name}") from error
    except (OSError, ValueError) as error:
        raise _unfinished(folder, f"a {name} that cannot be read ({error})") from error
    if not isinstance(value, dict):
        raise _unfinished(folder, f"a {name} without an object in it")
    return value


def _unfinished(folder: Path, got: str) -> BadInput:
    return BadInput(f"run folder {folder}", got=got, expected="the folder of a finished run",
                    remedy="Run `expandcluster recover` with this --out first; an interrupted run goes on there.")


def _activation(name: str) -> Activation:
    """The activation of a name; one that cannot be evaluated where the run was given a function of its own."""
    try:
        return get_activation(name)
    except BadInput:
        def unknown(z: jax.Array) -> jax.Array:
            raise BadInput("activation", got=f"'{name}', a function that a run folder does not keep",
                           expected="the function", remedy="Pass it as read_run(folder, activation=...).")

        return Activation(name, unknown, Symmetry(0))
