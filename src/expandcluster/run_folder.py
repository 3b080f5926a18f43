"""The run folder: what a run is, its finished stages and the answers it got, so that a killed run goes on.

    run.json                 teacher, activation, seed, options, versions: what makes it this run
    answers.bin              every answer of the teacher
    training/                how far students have come in a stage that is not finished: checkpoints.py
    stages/NAME.safetensors  the result of a finished stage
    network.safetensors      the recovered network
    result.json              verdict, losses, queries, seconds
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from expandcluster.activations import Activation
from expandcluster.checkpoints import checkpointed, remove
from expandcluster.errors import BadInput, RunFolderError
from expandcluster.expand.choose import AUTO, Choice
from expandcluster.expand.expand import Students
from expandcluster.export.safetensors_file import network_to_safetensors
from expandcluster.networks import Network
from expandcluster.options import RecoverOptions
from expandcluster.progress import (
    Progress,
    RecoveryFinished,
    RecoveryStarted,
    StageFinished,
    StageStarted,
    silent,
)
from expandcluster.queries.answers import Answers
from expandcluster.queries.probe import Probe
from expandcluster.queries.row_space import RowSpace
from expandcluster.reconstruct.challenge import Challenge
from expandcluster.reconstruct.layers import Reconstruction
from expandcluster.reconstruct.lift import Lift
from expandcluster.results import Certificate, Explanation, LayerClusters, Recovery
from expandcluster.storage import load, names, pack, strict, write_arrays, write_json
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.links import Link

__all__ = ["CHECKPOINT", "Run", "describe", "open_run", "summary"]

_STAGE_RESULTS = (Certificate, Challenge, Choice, Explanation, LayerClusters, Lift, Link, Probe, Reconstruction,
                  RowSpace, Students)
_DISTRIBUTIONS = ("expandcluster", "jax", "jaxlib", "numpy", "scipy", "optax")
CHECKPOINT = 30.0  # seconds of training that a kill may cost
Result = TypeVar("Result")


def describe(teacher: Teacher, activations: Sequence[Activation], depths: Sequence[int], output: str, seed: int,
             inputs: np.ndarray | None, options: RecoverOptions, image_shape: tuple[int, ...] | None = None
             ) -> dict[str, Any]:
    """Everything that makes a run this run and no other."""
    settings = strict(dataclasses.asdict(options))  # as run.json will have it
    del settings["cluster"]["memory"]  # changes no result: a run that lacked memory goes on with more
    asked = None if inputs is None else hashlib.sha256(np.ascontiguousarray(inputs).tobytes()).hexdigest()[:16]
    return {
        "teacher": teacher.name, "fingerprint": teacher.fingerprint, "inputs": teacher.inputs,
        "outputs": teacher.outputs, "dtype": teacher.dtype.name,
        "activation": ",".join(a.name for a in activations),
        "hidden_layers": depths[0] if len(depths) == 1 else AUTO, "output": output, "seed": seed, "asked_inputs": asked,
        "options": settings, **({} if image_shape is None else {"image_shape": list(image_shape)}),
    }


class Run:
    """One run, in a folder or in memory only.

    Attributes:
        folder: its folder; ``None`` for a run in memory.
        answers: the file of answers; ``None`` for a run in memory.
        timings: seconds of each finished stage, also of those finished in an earlier sitting.
    """

    def __init__(self, folder: Path | None, activations: Sequence[Activation], outputs: int,
                 progress: Progress = silent, checkpoint: float = CHECKPOINT) -> None:
        self._checkpoint = checkpoint
        self.folder, self._activations, self._progress = folder, {a.name: a for a in activations}, progress
        self.answers = None if folder is None else Answers(folder / "answers.bin", outputs)
        self.timings: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Seconds of all finished stages."""
        return sum(self.timings.values())

    def stage(self, name: str, function: Callable[..., Result], *args: Any) -> Result:
        """The stored result of a stage that is finished, or the result of running it now."""
        path = None if self.folder is None else self.folder / "stages" / f"{name}.safetensors"
        if path is not None and path.exists():
            value, header = load(path, {**names(_STAGE_RESULTS), "Network": self._network})
            try:
                self.timings[name], used = float(header["seconds"]), int(header["answers"])
            except (KeyError, ValueError) as error:
                raise BadInput(f"file {path}", got=f"a header that does not fit ({error})", expected="a finished stage",
                               remedy="Start a new run in another folder.") from error
            if self.answers is not None:
                self.answers.use_first(used)
            return value
        self._progress(StageStarted(name, "started"))
        if self.folder is None or path is None:
            start = time.perf_counter()
            value = function(*args)
            self.timings[name] = time.perf_counter() - start
        else:
            with checkpointed(self.folder / "training" / name, self._checkpoint) as checkpoints:
                value = function(*args)
                self.timings[name] = checkpoints.seconds
            arrays: dict[str, np.ndarray] = {}
            tree = pack(value, arrays)
            header = {"value": json.dumps(tree), "seconds": repr(self.timings[name]),
                      "answers": str(len(self.answers) if self.answers is not None else 0)}
            write_arrays(path, arrays, header)
            remove(self.folder / "training")
        counted = {} if self.answers is None else {"queries": float(self.answers.used)}
        self._progress(StageFinished(name, f"finished in {self.timings[name]:.1f} s",
                                     {"seconds": self.timings[name], **counted}))
        return value

    def _network(self, weights: tuple[np.ndarray, ...], biases: tuple[np.ndarray, ...], activation: str) -> Network:
        return Network(weights, biases, self._activations[activation])

    def finish(self, recovery: Recovery) -> Recovery:
        """Write the network and the result; the stages stay."""
        if self.folder is not None:
            if recovery.network is not None:
                network_to_safetensors(recovery.network, self.folder / "network.safetensors",
                                       output=recovery.output)
            write_json(self.folder / "result.json", summary(recovery))
        sizes = recovery.hidden_sizes
        self._progress(RecoveryFinished(
            "recover", f"{recovery.verdict.name}, hidden sizes {'-' if sizes is None else '-'.join(map(str, sizes))}",
            {"queries": float(recovery.queries), "seconds": recovery.seconds,
             "relative_loss": recovery.relative_loss, "noise_floor": recovery.noise_floor,
             "students_at_floor": float(recovery.students_at_floor), "hidden_neurons": float(sum(sizes or ()))},
            recovery))
        return recovery


def summary(recovery: Recovery) -> dict[str, Any]:
    """A result as plain JSON values."""
    certificate, folder = recovery.certificate, recovery.folder
    has_network = folder is not None and recovery.network is not None
    return {
        "verdict": recovery.verdict.name,
        "advice": recovery.verdict.value,
        "activation": recovery.tried[0].activation if recovery.tried else None if recovery.network is None
        else recovery.network.activation.name,
        "tried": [dataclasses.asdict(e) for e in recovery.tried],
        "hidden_sizes": None if recovery.hidden_sizes is None else list(recovery.hidden_sizes),
        "output": recovery.output,
        "output_told_by": recovery.told_by or None,
        "hidden_by_output": recovery.hidden_by_output or None,
        "relative_loss": recovery.relative_loss,
        "noise_floor": recovery.noise_floor,
        "queries": recovery.queries,
        "seconds": round(recovery.seconds, 3),
        "network": str(folder / "network.safetensors") if folder is not None and has_network else None,
        "largest_error_bar": None if certificate is None else certificate.largest_error_bar,
        "undetermined": [] if certificate is None else list(certificate.undetermined),
        "support": None if certificate is None else certificate.support,
        "students_at_floor": None if certificate is None else certificate.students,
        "seed": recovery.seed,
        "timings": {name: round(seconds, 3) for name, seconds in recovery.timings.items()},
    }


@contextlib.contextmanager
def open_run(folder: Path | None, about: dict[str, Any], activations: Sequence[Activation],
             progress: Progress = silent, checkpoint: float = CHECKPOINT) -> Iterator[Run]:
    """Start or go on with a run.

    Args:
        folder: made if it is not there; ``None`` keeps everything in memory.
        about: what :func:`describe` returned; a folder of another run is refused.
        activations: that the networks in it may have.
        progress: told when the run and its stages begin and end.
        checkpoint: seconds after which students on their way are stored.

    Raises:
        RunFolderError: the folder holds another run, other files, or is in use.
    """
    words = ", ".join(f"{name} {about[name]}" for name in ("teacher", "activation", "seed") if name in about)
    started = RecoveryStarted("recover", words, about=about)
    if folder is None:
        progress(started)
        yield Run(None, activations, about["outputs"], progress)
        return
    _check(folder, about)
    with _locked(folder):
        _claim(folder, about)  # checks again: another process may have been faster
        run = Run(folder, activations, about["outputs"], progress, checkpoint)
        progress(started)
        try:
            yield run
        finally:
            if run.answers is not None:
                run.answers.close()


def _claim(folder: Path, about: dict[str, Any]) -> None:
    """Mark a free folder as this run's."""
    if not _check(folder, about):
        versions = {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
        write_json(folder / "run.json", {"run": about, "versions": {"python": platform.python_version(), **versions},
                                         "machine": platform.platform()})


def _check(folder: Path, about: dict[str, Any]) -> bool:
    """Whether a folder holds this run (else it is free); anything else in it is refused, and left as it is."""
    path = folder / "run.json"
    elsewhere = "Choose another folder with --out, or remove this one."
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"run folder {folder}", got="a file", expected="a folder", remedy=elsewhere)
    if path.is_file():
        try:
            there = json.loads(path.read_text())["run"]
            different = _first_difference(there, about)
        except (OSError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(f"run folder {folder}", got=f"a damaged run.json ({error})", expected="a run",
                                 remedy=elsewhere) from error
        if different is not None:
            key, got, expected = different
            raise RunFolderError(f"run folder {folder}", got=f"another run: its {key} is {_short(got)}",
                                 expected=f"{key} {_short(expected)}", remedy=elsewhere)
        return True
    if folder.is_dir() and not all(entry.name == ".lock" or entry.match(".run.json.*.part")  # killed while writing
                                   for entry in folder.iterdir()):
        raise RunFolderError(f"run folder {folder}", got="a folder with other files in it",
                             expected="an empty or new folder", remedy="Choose another folder with --out.")
    return False


def _first_difference(there: dict[str, Any], here: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """Name and both values of the first entry, in order of the names, that is not the same."""
    for key in sorted(there.keys() | here.keys()):
        got, expected = there.get(key), here.get(key)
        if isinstance(got, dict) and isinstance(expected, dict):
            inner = _first_difference(got, expected)
            if inner is not None:
                return f"{key}.{inner[0]}", *inner[1:]
        elif got != expected:
            return key, got, expected
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two processes must not work in one folder; the lock goes with the process that holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("w")
    except OSError as error:
        raise RunFolderError(f"run folder {folder}", got=f"a folder that cannot be written ({error.strerror})",
                             expected="a folder of its own", remedy="Choose another folder with --out.") from error
    with handle as lock:
        try:
            import fcntl
        except ImportError:  # not on this system
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunFolderError(f"run folder {folder}", got="a folder that another process works in",
                                 expected="a folder of its own", remedy="Wait for it, or choose another.") from error
        yield

