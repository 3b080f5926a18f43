"""The command `expandcluster benchmark`: experiments on problems with a known answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expandcluster.cli_common import (
    OTHER_VERDICT,
    Json,
    Quiet,
    Track,
    Verbose,
    epilog,
    failures_told,
    print_json,
    set_up_jax,
)
from expandcluster.cli_engine import Engine, EngineKind, Scheduler, engine_running

if TYPE_CHECKING:
    from rich.console import Console

    from expandcluster.experiments.ablations import Point
    from expandcluster.experiments.summary import Summary
    from expandcluster.problems.synthetic import SyntheticProblem

__all__ = ["app"]

_EXAMPLES = (
    "expandcluster benchmark synthetic --only d=8,r=4",
    "expandcluster benchmark synthetic --settings lm --rho 4 --out runs/lm",
    "expandcluster benchmark ablations runs/lm --no-train",
)

app = typer.Typer(no_args_is_help=True, help="Experiments on problems with a known answer.", epilog=epilog(*_EXAMPLES))

_KEYS = {"d": "inputs", "r": "hidden", "seed": "seed"}


@app.callback()
def _benchmark() -> None:
    """Experiments on problems with a known answer."""


@app.command(epilog=epilog(*_EXAMPLES[:2]))
def synthetic(
    settings: Annotated[str, typer.Option(
        help="default: Levenberg-Marquardt; paper: gradient flow, then Newton or BFGS; lm: Levenberg-Marquardt, not "
             "pruned, all students clustered (for the ablations).")] = "default",
    rho: Annotated[str | None, typer.Option(
        help="Overparameterisation factors, for example 1,2,4,8: students of known width on a table of inputs. "
             "Without it the default settings ask the teacher and search for the width; the others use 4.")] = None,
    only: Annotated[list[str] | None, typer.Option(
        help="Only these problems, for example d=8,r=4 or seed=0; may be given several times.")] = None,
    out: Annotated[Path, typer.Option(help="Rows, runs and figures; an interrupted experiment goes on there.")] = Path(
        "runs/synthetic"),
    engine: Engine = EngineKind.local,
    scheduler: Scheduler = None,
    track: Track = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """The 150 shallow synthetic teachers of the paper (d inputs, r hidden neurons, ten seeds)."""
    from expandcluster.terminal import watch

    with failures_told(quiet, verbose):
        set_up_jax()
        from expandcluster.experiments.figures import draw_synthetic
        from expandcluster.experiments.synthetic import run_synthetic
        from expandcluster.problems.synthetic import synthetic_problems

        problems = _chosen(synthetic_problems(), only or [])
        rhos = _factors(rho) if rho is not None else ((None,) if settings == "default" else (4.0,))
        with (watch(quiet=quiet, only_json=as_json, verbose=verbose, track=track or ()) as progress,
              engine_running(engine, scheduler, progress)):
            rows = run_synthetic(problems, settings, rhos, out, progress)
        figures = _figures(lambda: draw_synthetic(out))
    from expandcluster.experiments.summary import summarise

    summaries = summarise(rows)
    if as_json:
        print_json({"rows": str(out / "rows.jsonl"), "figures": [str(figure) for figure in figures], "summaries": [
            {**dataclasses.asdict(s), "seconds_per_recovered": s.seconds_per_recovered} for s in summaries]})
    elif not quiet:
        _print(summaries, out, figures)
    if any(s.wrongly_exact for s in summaries):
        raise typer.Exit(OTHER_VERDICT)


@app.command(epilog=epilog(*_EXAMPLES[1:]))
def ablations(
    runs: Annotated[Path, typer.Argument(
        metavar="RUNS", help="The --out of a finished `benchmark synthetic --settings lm`; its students are used.")],
    rho: Annotated[float, typer.Option(help="Which of its students: their overparameterisation factor.")] = 4.0,
    train: Annotated[bool, typer.Option(
        help="Vary the number of samples too, the only question that trains students.")] = True,
    out: Annotated[Path | None, typer.Option(help="Points and figures. Default: RUNS/ablations.")] = None,
    track: Track = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Which choices of the clustering matter: gamma, beta, the cut, and how many students and samples there are."""
    from expandcluster.terminal import watch

    out = out or runs / "ablations"
    with failures_told(quiet, verbose):
        set_up_jax()
        from expandcluster.experiments.ablation_figures import draw_ablations
        from expandcluster.experiments.ablations import run_ablations

        with watch(quiet=quiet, only_json=as_json, verbose=verbose, track=track or ()) as progress:
            points = run_ablations(runs, out, rho, train=train, progress=progress)
        figures = _figures(lambda: draw_ablations(points, rho, out / "figures"))
    if as_json:
        print_json({"points": str(out / "ablations.jsonl"), "figures": [str(figure) for figure in figures]})
    elif not quiet:
        _print_points(points, out, figures)


def _chosen(problems: tuple[SyntheticProblem, ...], only: list[str]) -> tuple[SyntheticProblem, ...]:
    """Problems that match one of the filters; all where there is none."""
    from expandcluster.errors import BadInput

    filters = []
    for text in only:
        parts = [part.partition("=") for part in text.replace(" ", "").split(",")]
        if not all(key in _KEYS and value.isdecimal() for key, _, value in parts):
            raise BadInput("--only", got=repr(text), expected="d=..., r=... and seed=..., separated by commas",
                           remedy="Write for example --only d=8,r=4.")
        filters.append({_KEYS[key]: int(value) for key, _, value in parts})
    chosen = tuple(p for p in problems if not filters or any(
        all(getattr(p, name) == value for name, value in f.items()) for f in filters))
    if not chosen:
        raise BadInput("--only", got=repr(" ".join(only)),
                       expected="d of 2, 4, 8, 16, 32; r of 2, 4, 8; seed of 0 to 9",
                       remedy="No problem matches; change the filter.")
    return chosen


def _factors(text: str) -> tuple[float, ...]:
    from expandcluster.errors import BadInput

    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError:
        factors = ()
    if not factors or not all(math.isfinite(f) for f in factors):
        raise BadInput("--rho", got=repr(text), expected="numbers separated by commas",
                       remedy="Write for example --rho 1,2,4,8.")
    return factors


def _figures(draw: Callable[[], list[Path]]) -> list[Path]:
    """What ``draw`` returns; none where Matplotlib is not installed."""
    from expandcluster.errors import MissingExtra

    try:
        return draw()
    except MissingExtra:
        return []


def _print(summaries: tuple[Summary, ...], out: Path, figures: list[Path]) -> None:
    from rich.table import Table

    from expandcluster.terminal import wide_console

    table = Table("settings", "rho", "problems", "recovered", "wrongly called exact", "students at the floor",
                  "largest error", "seconds", "slowest", "processor seconds per recovered")
    for s in summaries:
        table.add_row(s.settings, "-" if s.rho is None else f"{s.rho:g}", str(s.problems), str(s.recovered),
                      str(s.wrongly_exact), f"{s.reached:.0%}", f"{s.worst_error:.1e}", f"{s.seconds:,.0f}",
                      f"{s.slowest:.0f}", f"{s.seconds_per_recovered:.1f}")
    console = wide_console()
    console.print(table)
    _print_files(console, f"Rows: {out / 'rows.jsonl'}", out, figures)


def _print_points(points: tuple[Point, ...], out: Path, figures: list[Path]) -> None:
    from rich.table import Table

    from expandcluster.experiments.ablations import CUTS, QUESTIONS
    from expandcluster.terminal import wide_console

    console = wide_console()
    for name, question in QUESTIONS.items():
        values = sorted({p.value for p in points if p.question == name})
        if not values:
            continue
        table = Table("teachers recovered", *(f"{value:g}" for value in values), title=question.title)
        for cut in CUTS:
            here = [[p for p in points if (p.question, p.cut, p.value) == (name, cut, value)] for value in values]
            table.add_row(f"{cut} cut", *(f"{sum(p.recovered for p in found) / sum(p.tries for p in found):.0%}"
                                          if found else "-" for found in here))
        console.print(table)
    _print_files(console, f"Points: {out / 'ablations.jsonl'}", out, figures)


def _print_files(console: Console, first: str, out: Path, figures: list[Path]) -> None:
    console.print(first, markup=False, soft_wrap=True)
    console.print(f"Figures: {out / 'figures'}" if figures else
                  "Figures need Matplotlib: pip install 'expandcluster[plot]'", markup=False, soft_wrap=True)
