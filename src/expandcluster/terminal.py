"""What the command line shows: live progress on a terminal, plain lines when piped, tables at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from expandcluster.progress import (
    Event,
    Progress,
    RecoveryFinished,
    RecoveryStarted,
    StageFinished,
    StageStarted,
    together,
)

if TYPE_CHECKING:
    from expandcluster.compare import Comparison
    from expandcluster.demo import DemoResult
    from expandcluster.results import Recovery

__all__ = ["print_comparison", "print_demo", "print_recovery", "watch", "wide_console"]

# What frames the steps of a recovery; the table at the end says the same.
_FRAME = (RecoveryStarted, RecoveryFinished, StageStarted, StageFinished)


@contextlib.contextmanager
def watch(*, quiet: bool = False, only_json: bool = False, verbose: bool = False,
          track: Sequence[str] = ()) -> Iterator[Progress]:
    """Shows events on standard error: under a running clock on a terminal, as plain lines elsewhere.

    Args:
        quiet: show none.
        only_json: show them on a terminal only.
        verbose: show all of them wherever it is, with their numbers.
        track: trackers that are told as well, as in ``tensorboard:DIR``.
    """
    from expandcluster.trackers import open_tracker

    console = Console(stderr=True, highlight=False)
    start = time.perf_counter()

    def line(event: Event) -> str:
        numbers = " ".join(f"{name}={value:g}" for name, value in event.values.items()) if verbose else ""
        said = f"{time.perf_counter() - start:7.1f} s  {event.stage:<9} {event.message}"
        return f"{said}  [{numbers}]" if numbers else said

    with contextlib.ExitStack() as stack:
        trackers = [stack.enter_context(open_tracker(text)) for text in track]
        if quiet or (only_json and not verbose and not console.is_terminal):
            yield together(*trackers)
            return
        status = stack.enter_context(console.status("starting")) if console.is_terminal else None

        def show(event: Event) -> None:
            if verbose or not isinstance(event, _FRAME):
                console.print(line(event), markup=False, soft_wrap=True)
            if status is not None:
                status.update(f"{event.stage} ...")

        yield together(show, *trackers)


def print_recovery(recovery: Recovery) -> None:
    """The table at the end of a recovery, and the verdict in words."""
    certificate = recovery.certificate
    rows = {
        "verdict": recovery.verdict.name,
        "hidden sizes": "-" if recovery.hidden_sizes is None else "-".join(map(str, recovery.hidden_sizes)),
        **({"chosen": recovery.tried[0].words} if recovery.tried else {}),
        **({"as good": "; ".join(e.words for e in recovery.equally_good)} if recovery.equally_good else {}),
        "teacher's answers": recovery.output + (f": {recovery.told_by}" if recovery.told_by else ""),
        "relative loss": f"{recovery.relative_loss:.1e} (noise floor {recovery.noise_floor:.1e})",
        "queries": f"{recovery.queries:,}",
        "seconds": f"{recovery.seconds:.1f}",
    }
    if certificate is not None:
        rows["largest error bar"] = f"{certificate.largest_error_bar:.1e} of the largest parameter"
        rows["found in"] = (f"at least {certificate.support} students, of {certificate.students} at the noise floor"
                            if certificate.support else "some neurons in no student: few inputs switch them")
        if certificate.undetermined:
            names = certificate.undetermined
            rows["undetermined"] = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if recovery.hidden_by_output:
        rows[f"hidden by {recovery.output}"] = recovery.hidden_by_output
    if recovery.folder is not None:
        rows["run folder"] = str(recovery.folder)
    _print(rows, good=recovery.exact)
    Console(highlight=False).print(recovery.verdict.value, markup=False, soft_wrap=True)


def print_comparison(result: Comparison, *, verbose: bool = False) -> None:
    """How far a network is from the truth; ``verbose``: also which neuron is which."""
    layers = enumerate(result.permutations if verbose else (), start=1)
    _print({
        "layer sizes": "-".join(map(str, result.sizes)) + ("" if result.sizes_match else
                                                         f" (truth: {'-'.join(map(str, result.true_sizes))})"),
        "largest parameter error": f"{result.max_parameter_error:.1e}",
        **({"of determined ones": f"{result.determined_error:.1e}"}
           if result.determined_error != result.max_parameter_error else {}),
        "exact": "yes" if result.exact else "no",
        **{f"true neurons of layer {n} are": " ".join(map(str, order)) for n, order in layers},
    }, good=result.exact, colored="exact")


def print_demo(result: DemoResult) -> None:
    """The demo's one-row table."""
    table = Table("layer sizes", "largest parameter error", "relative loss", "queries", "seconds", "verdict")
    recovery = result.recovery
    table.add_row("-".join(map(str, result.comparison.sizes)), f"{result.comparison.max_parameter_error:.1e}",
                  f"{recovery.relative_loss:.1e}", f"{recovery.queries:,}", f"{recovery.seconds:.1f}",
                  recovery.verdict.name)
    console = Console(highlight=False)
    console.print(table)
    console.print(recovery.verdict.value, markup=False, soft_wrap=True)
    console.print(f"Everything is in {recovery.folder}; compare again with: "
                  f"expandcluster compare {recovery.folder} {result.truth}", markup=False, soft_wrap=True)


def _print(rows: dict[str, str], *, good: bool, colored: str = "verdict") -> None:
    """A table of names and values, one of which is green or yellow where colours are shown."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows.items():
        table.add_row(name, Text(value, ("green" if good else "yellow") if name == colored else ""))
    Console(highlight=False).print(table, markup=False)


def wide_console() -> Console:
    """The terminal; a pipe has no width, and no cell may be cut off there."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)
