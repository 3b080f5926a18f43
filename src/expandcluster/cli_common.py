"""What the commands share: exit codes, options, errors, examples, the set-up of JAX."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

__all__ = ["ACTIVATIONS", "BAD_INPUT", "EXACT", "EXIT_CODES", "INTERRUPTED", "OTHER_VERDICT", "OUTPUTS", "TERMINATED",
           "Json", "Quiet", "Track", "Verbose", "depth_of", "epilog", "fail", "failures_told", "one_of", "print_json",
           "set_up_jax", "whole_numbers"]

EXACT, OTHER_VERDICT, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 3, 2, 130, 143

EXIT_CODES = {
    EXACT: "done; of recover, compare and demo: the network is exact",
    1: "an error of this program; please report it",
    BAD_INPUT: "bad usage or input, or a full disk; a message on standard error says what to do",
    OTHER_VERDICT: "done, but not exact; of audit and benchmark: a network was called exact and is not",
    INTERRUPTED: "interrupted (Ctrl-C); the same command goes on where this one stopped",
    TERMINATED: "the same, for a termination signal (SIGTERM)",
}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]
Quiet = Annotated[bool, typer.Option(
    "--quiet", "-q", help="Print nothing but errors (and what --json prints); the exit code tells how it ended.")]
Verbose = Annotated[bool, typer.Option(
    "--verbose", "-v", help="Print the numbers behind every step, also with --json, and where an error came from.")]

Track = Annotated[list[str] | None, typer.Option(
    metavar="KIND:WHERE", help="Also write progress and result to tensorboard:DIR or mlflow:URI; may be given several "
                               "times. Needs the extra 'track'.")]

# Completed by the shell; the real lists are in modules that load JAX, and a test compares them.
ACTIVATIONS = ("auto", "elu", "erf", "g", "gelu", "gelu_tanh", "identity", "leaky_relu", "mish", "relu", "selu",
               "sigmoid", "silu", "softplus", "softsign", "tanh")
OUTPUTS = ("auto", "raw", "softmax", "logistic")


def one_of(words: Sequence[str]) -> Any:
    """What the shell completes an option with."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def epilog(*examples: str) -> str:
    """What ``--help`` ends with: examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)


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


@contextlib.contextmanager
def failures_told(quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Errors raised on purpose become a line and an exit code, and so do Ctrl-C and SIGTERM."""
    from expandcluster.errors import BadInput, ExpandClusterError

    try:
        if quiet and verbose:
            raise BadInput("options", got="--quiet and --verbose", expected="one of them", remedy="Leave one out.")
        with _terminated_like_ctrl_c():
            yield
    except ExpandClusterError as error:
        if verbose:
            traceback.print_exc()
        fail(error)
    except KeyboardInterrupt as reason:
        word, code = ("terminated", TERMINATED) if isinstance(reason, _Terminated) else ("interrupted", INTERRUPTED)
        print(f"expandcluster: {word}; the same command goes on where this one stopped.", file=sys.stderr)
        raise typer.Exit(code) from None


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """SIGTERM stops what runs in this context as Ctrl-C does, so that what was reached is stored."""
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python sets no handlers
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
