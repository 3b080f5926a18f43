"""The command `expandcluster audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expandcluster.cli_common import (
    ACTIVATIONS,
    OTHER_VERDICT,
    OUTPUTS,
    Json,
    Quiet,
    Track,
    Verbose,
    depth_of,
    failures_told,
    one_of,
    print_json,
    set_up_jax,
    whole_numbers,
)
from expandcluster.cli_engine import Engine, EngineKind, Scheduler, engine_running
from expandcluster.cli_recover import folder_name

if TYPE_CHECKING:
    from expandcluster.audit.run import Audit
    from expandcluster.audit.summary import Line, Spread

__all__ = ["EXAMPLES", "audit"]

EXAMPLES = (
    "expandcluster audit model.onnx --quick",
    "expandcluster audit model.onnx --budgets 500,1000,2000 --defence round:3 --defence probabilities+round:4",
    "expandcluster audit http://localhost:8000/v2/models/digits --activation tanh --truth digits.safetensors",
)


def audit(
    teacher: Annotated[str, typer.Argument(
        metavar="TEACHER", help="The model: an .onnx file, a .safetensors network, module:object, or the address of a "
                                "server. Its weights are read where they can be, to compare with.")],
    activation: Annotated[str | None, typer.Option(
        autocompletion=one_of(ACTIVATIONS),
        help="Of its hidden layers. Default: as read from the model.")] = None,
    hidden_layers: Annotated[str | None, typer.Option(
        metavar="N|auto", help="How many it has. Default: as read from the model, else 1.")] = None,
    output: Annotated[str, typer.Option(
        autocompletion=one_of(OUTPUTS),
        help="What it answers: raw, softmax, logistic, or auto to tell from the answers.")] = "auto",
    truth: Annotated[Path | None, typer.Option(
        help="Its network (.safetensors, .onnx), where its weights cannot be read from TEACHER.")] = None,
    budgets: Annotated[str | None, typer.Option(
        metavar="N,N,...", help="Query budgets. Default: from what is asked without a limit down to the least "
                                "that may do.")] = None,
    defence: Annotated[list[str] | None, typer.Option(
        metavar="DEFENCE", help="round:DIGITS, noise:SHARE, float16, probabilities, limit:QUERIES, or several joined "
                                "by +; may be given several times. Default: a usual choice.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Repeat everything with so many seeds. Default: 3.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: 2 seeds, fewer budgets and defences.")] = False,
    time_limit: Annotated[float | None, typer.Option(
        min=1.0, help="Seconds; recoveries that would take much longer are not tried. Default: 300, quick 60.")] = None,
    input_size: Annotated[int | None, typer.Option(min=1, help="Numbers in one input of module:function.")] = None,
    box: Annotated[str | None, typer.Option(
        metavar="LOW,HIGH", help="Ask only inputs between these, for example 0,1; one may be left out.")] = None,
    scale: Annotated[float, typer.Option(help="Standard deviation of gaussian inputs.")] = 1.0,
    out: Annotated[Path | None, typer.Option(
        help="Rows, table and figure; an interrupted audit goes on there. Default: runs/audit-TEACHER.")] = None,
    engine: Engine = EngineKind.local,
    scheduler: Scheduler = None,
    track: Track = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """How exactly TEACHER can be recovered: errors against query budget, and what each defence buys."""
    from expandcluster.terminal import watch

    with failures_told(quiet, verbose):
        set_up_jax()
        import dataclasses

        from expandcluster.audit import AuditOptions, open_subject, run_audit
        from expandcluster.audit.write import as_json as plain
        from expandcluster.audit.write import write_audit
        from expandcluster.queries.domain import Domain

        options = AuditOptions.quick() if quick else AuditOptions()
        given: dict[str, Any] = {"budgets": whole_numbers("--budgets", budgets), "seeds": seeds,
                 "defences": None if defence is None else tuple(defence)}
        options = dataclasses.replace(options, **{name: v for name, v in given.items() if v is not None})
        folder = out or Path("runs") / f"audit-{folder_name(teacher)}"
        with (watch(quiet=quiet, only_json=as_json, verbose=verbose, track=track or ()) as progress,
              engine_running(engine, scheduler, progress)):
            subject = open_subject(teacher, truth=truth, output=output, input_size=input_size,
                                   domain=Domain.parse(box, False), scale=scale)
            how = subject.attack(activation, None if hidden_layers is None else depth_of(hidden_layers), output,
                                 time_limit or (60.0 if quick else 300.0))
            result = run_audit(subject, how, options, folder, progress)
        files = write_audit(result, folder)
    if as_json:
        print_json({**plain(result), "files": [str(file) for file in files]})
    elif not quiet:
        _print(result, files)
    if result.wrong:
        raise typer.Exit(OTHER_VERDICT)


def _print(result: Audit, files: list[Path]) -> None:
    from rich.table import Table

    from expandcluster.audit.summary import headline, limits, summarise
    from expandcluster.terminal import wide_console

    table = Table("defence", "verdicts", "parameter error", "functional error", "queries", title=f"Audit of "
                  f"{result.subject.teacher.name}: median over seeds (least to largest)")
    lines = summarise(result)
    for line in lines:
        table.add_row(line.what, _verdicts(line), _range(line.parameter_error, line.seeds),
                      _range(line.functional_error, line.seeds),
                      "-" if line.queries is None else f"{line.queries.median:,.0f}")
    console = wide_console()
    console.print(table)
    console.print(headline(result), markup=False, soft_wrap=True)
    if result.least is not None:
        console.print(f"Fewer than {result.least:,} queries (parameters / outputs) cannot determine it.", markup=False,
                      soft_wrap=True)
    for line in lines:
        if line.reason:
            console.print(f"- {line.what}: {line.reason}", markup=False, soft_wrap=True)
    console.print("\nWhat this does not say:", markup=False)
    for limit in limits(result):
        console.print(f"- {limit}", markup=False, soft_wrap=True)
    console.print(f"\nFiles: {', '.join(map(str, files))}", markup=False, soft_wrap=True)
    if len(files) == 2:
        console.print("The figure needs Matplotlib: pip install 'expandcluster[plot]'", markup=False)


def _verdicts(line: Line) -> str:
    said = ", ".join(f"{name} {count}/{line.seeds}" for name, count in line.verdicts.items())
    return said + (f" (WRONGLY called exact: {line.wrong})" if line.wrong else "")


def _range(spread: Spread | None, seeds: int) -> str:
    if spread is None:
        return "-"
    missing = f", {spread.count} of {seeds}" if spread.count < seeds else ""
    return f"{spread.median:.1e} ({spread.least:.0e} to {spread.most:.0e}{missing})"
