"""How to repeat a run: the command, and the call in Python."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import PurePath
from typing import Any, get_args

from expandcluster.options import LMOptions, RecoverOptions, TrainerOptions
from expandcluster.read_run import RunDescription

__all__ = ["command_line", "python_call"]

_FILES = (".onnx", ".npz", ".csv", ".parquet", ".safetensors")
_CLASSES = {"queries": "QueryOptions", "expand": "ExpandOptions", "cluster": "ClusterOptions", "domain": "Domain"}
_BOX = ("queries", "domain", "low"), ("queries", "domain", "high")
_TRAINERS = ("expand", "trainers")
_FLAGS = {("queries", "max_queries"): "--max-queries", ("queries", "noisy"): "--noisy",
          ("queries", "noise"): "--noise", ("queries", "sampler"): "--sampler", ("queries", "scale"): "--scale",
          ("queries", "domain", "integers"): "--integers", ("expand", "students"): "--students",
          ("expand", "effort"): "--effort", ("expand", "widths"): "--widths"}


def command_line(run: RunDescription) -> str | None:
    """The command that starts the same run.

    Returns:
        ``None`` where there is none: the teacher is an object in Python, or an option was set
        that only Python knows.

    Example:
        >>> run = RunDescription("net.onnx", 3, 1, "float32", "tanh", 1, 0, {}, False, {}, "", {})
        >>> command_line(run)
        'expandcluster recover net.onnx --activation tanh --hidden-layers 1 --seed 0'
    """
    teacher, two, outputs = run.teacher.partition(" + ")  # files of inputs and of answers
    function = ":" in teacher and not two and not run.teacher.lower().startswith(("http://", "https://"))
    named = two or PurePath(teacher).suffix.lower() in _FILES or ":" in teacher
    if not named or "<" in run.teacher or run.teacher.startswith((":", "-", "__main__:")):
        return None
    words = ["expandcluster", "recover", teacher, "--activation", run.activation,
             "--hidden-layers", str(run.hidden_layers), "--seed", str(run.seed)]
    if two:
        words += ["--outputs", outputs]
    if run.output != "auto":
        words += ["--output", run.output]
    if function:
        words += ["--input-size", str(run.inputs)]
    if run.given_inputs:
        words += ["--inputs", "INPUTS.npy"]
    changed = dict(_changed(run.options, dataclasses.asdict(RecoverOptions())))
    bounds = [changed.pop(path, None) for path in _BOX]
    if any(isinstance(bound, tuple) for bound in bounds):
        return None
    if bounds != [None, None]:
        words += ["--box=" + ",".join("" if bound is None else f"{bound!r}" for bound in bounds)]
    if (mebibytes := _only_matrix(changed.get(_TRAINERS, ()))) is not None:
        del changed[_TRAINERS]
        words += ["--largest-matrix", mebibytes]
    for path, value in changed.items():
        if path not in _FLAGS:
            return None
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [_FLAGS[path]] if value is True else [_FLAGS[path], text]
    return shlex.join(words)


def python_call(run: RunDescription) -> str:
    """The call of :func:`expandcluster.recover` with every option that is not the default one."""
    lines = ["import expandcluster as ec", "",
             "recovery = ec.recover(",
             f"    teacher,  # {run.teacher!a}: {run.inputs} inputs, {run.outputs} outputs, {run.dtype!a}",
             f"    activation={_activation(run.activation)},",
             f"    hidden_layers={run.hidden_layers!r},",
             *([f"    output={run.output!r},"] if run.output != "auto" else []),
             f"    seed={run.seed},"]
    if run.given_inputs:
        lines.append("    inputs=inputs,  # the same rows")
    sections: dict[str, Any] = {}
    for path, value in _changed(run.options, dataclasses.asdict(RecoverOptions())):
        place = sections
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    if sections:
        lines.append(f"    options=ec.RecoverOptions({_arguments(sections)}),")
    return "\n".join([*lines, ")"])


def _activation(name: str) -> str:
    from expandcluster.activations import get_activation
    from expandcluster.errors import BadInput

    try:
        for one in name.split(","):
            get_activation(one)
    except BadInput:
        return f"function,  # {name!a}"
    return repr(name)


def _changed(options: dict[str, Any], default: dict[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Options that are not the default ones, by their path."""
    changed: list[tuple[tuple[str, ...], Any]] = []
    for name, value in options.items():
        usual = default.get(name)
        if isinstance(value, dict) and isinstance(usual, dict):
            changed += [((name, *path), entry) for path, entry in _changed(value, usual)]
        elif (list(usual) if isinstance(usual, tuple) else usual) != value:
            changed.append(((name,), tuple(value) if isinstance(value, list) else value))
    return changed


def _only_matrix(trainers: tuple[dict[str, Any], ...]) -> str | None:
    """MiB that J'J may take where all else is the default, and this is a whole number of them."""
    usual = dataclasses.asdict(LMOptions())
    if len(trainers) != 1 or {**trainers[0], "largest_matrix": usual["largest_matrix"]} != usual:
        return None
    mebibytes, left = divmod(trainers[0]["largest_matrix"], 2**20)
    return None if left else str(mebibytes)


def _arguments(values: dict[str, Any]) -> str:
    def one(name: str, value: Any) -> str:
        if isinstance(value, dict):
            return f"{name}=ec.{_CLASSES.get(name, name)}({_arguments(value)})"
        if name == "trainers":
            return f"{name}=({', '.join(map(_trainer, value))},)"
        return f"{name}={value!a}"

    return ", ".join(one(name, value) for name, value in values.items())


def _trainer(values: dict[str, Any]) -> str:
    """The options of one trainer, those that are not the default ones."""
    kind = next((k for k in get_args(TrainerOptions) if k().trainer == values.get("trainer")), None)
    if kind is None:
        return ascii(values)
    changed = _changed(values, dataclasses.asdict(kind()))
    return f"ec.{kind.__name__}({_arguments({path[0]: value for path, value in changed})})"
