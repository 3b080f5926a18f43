"""What the commands share: exit codes, errors, the set-up of JAX."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

__all__ = ["BAD_INPUT", "EXACT", "INTERRUPTED", "OTHER_VERDICT", "Json", "depth_of", "fail", "interrupted",
           "print_json", "set_up_jax", "whole_numbers"]

EXACT, OTHER_VERDICT, BAD_INPUT, INTERRUPTED = 0, 3, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]


def set_up_jax() -> None:
    """Before JAX is loaded: compiled programs are kept in the user's cache folder, students get a thread each.

    Students are trained side by side. Were their operations split over threads too, the threads of a busy
    machine would wait for each other: ten times slower beside one other process.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "expandcluster" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")


def fail(error: Exception) -> NoReturn:
    """Print the error and leave with the exit code of bad input."""
    print(f"expandcluster: {error}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)


def interrupted() -> NoReturn:
    """Say how to go on and leave."""
    print("expandcluster: interrupted; the same command goes on where this one stopped.", file=sys.stderr)
    raise typer.Exit(INTERRUPTED)


def print_json(values: dict[str, Any]) -> None:
    """One JSON object on standard output; JSON has no NaN and no infinity: they become null."""
    from expandcluster.storage import strict

    print(json.dumps(strict(values), allow_nan=False))


def whole_numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """``"8,16,32"`` as numbers; ``None`` where the option was not given.

    Raises:
        BadInput: it is something else.
    """
    from expandcluster.errors import BadInput

    if text is None:
        return None
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise BadInput(option, got=repr(text), expected="whole numbers separated by commas",
                       remedy=f"Write for example {option} 8,16,32.")
    return tuple(int(part) for part in parts)


def depth_of(text: str) -> int | str:
    """``--hidden-layers`` as a number, or as it is: the library says what is wrong with it."""
    return int(text) if text.strip().isdecimal() else text.strip().lower()
