"""The command `expandcluster recover`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from expandcluster.cli_common import (
    ACTIVATIONS,
    EXACT,
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

__all__ = ["EXAMPLES", "folder_name", "recover"]

EXAMPLES = (
    "expandcluster recover model.onnx --activation tanh",
    "expandcluster recover table.csv --activation relu --hidden-layers 2 --out runs/table",
    "expandcluster recover model.onnx --activation relu --inputs train-images-idx3-ubyte.gz",
    "expandcluster recover model.onnx --activation relu --engine dask --scheduler scheduler.json",
    "expandcluster recover my_models:predict --input-size 8 --activation auto --hidden-layers auto --json",
)


class Sampler(enum.StrEnum):
    """Choices of --sampler."""

    auto = "auto"
    gaussian = "gaussian"
    uniform = "uniform"
    varied = "varied"
    around = "around"


def recover(
    teacher: Annotated[str, typer.Argument(
        metavar="TEACHER",
        help="An .onnx file, a data table (.npz, .csv, .parquet; with --outputs its inputs alone), a .safetensors "
             "network, or module:function.")],
    activation: Annotated[str, typer.Option(
        autocompletion=one_of(ACTIVATIONS),
        help="Of the hidden layers, for example tanh or 'leaky_relu(0.07)'. Of several (tanh,relu), or auto for all "
             "listed ones, the one that explains the answers best is chosen.")],
    hidden_layers: Annotated[str, typer.Option(
        metavar="N|auto", help="How many hidden layers; their sizes are found. auto: 1, 2 and 3 are tried.")] = "1",
    output: Annotated[str, typer.Option(
        autocompletion=one_of(OUTPUTS),
        help="What the teacher answers: raw, softmax, logistic, or auto to tell from the answers.")] = "auto",
    inputs: Annotated[str | None, typer.Option(
        metavar="FILE", help="Ask only these inputs: .npy, .npz (FILE.npz:NAME), .csv, .parquet, idx (MNIST), CIFAR's "
                             "binary version, or a folder of images.")] = None,
    outputs: Annotated[str | None, typer.Option(
        metavar="FILE", help="Of a table in two files: TEACHER has its inputs, this file its answers; formats as of "
                             "--inputs.")] = None,
    raw_bytes: Annotated[bool, typer.Option(
        "--raw-bytes", help="Bytes of images in --inputs stay 0 to 255; without it they become 0 to 1.")] = False,
    input_size: Annotated[int | None, typer.Option(min=1, help="Numbers in one input of module:function.")] = None,
    box: Annotated[str | None, typer.Option(
        metavar="LOW,HIGH", help="Ask only inputs between these, for example 0,1; one may be left out.")] = None,
    integers: Annotated[bool, typer.Option("--integers", help="Ask only whole numbers.")] = False,
    sampler: Annotated[Sampler, typer.Option(
        help="Where inputs are drawn; 'around' perturbs --inputs; 'auto': --inputs as they are, in a box uniform, or "
             "varied (also mostly low, mostly high) if inputs are many, else gaussian.")] = Sampler.auto,
    scale: Annotated[float, typer.Option(help="Standard deviation of gaussian inputs.")] = 1.0,
    max_queries: Annotated[int | None, typer.Option(min=1, help="Hard limit on the inputs asked.")] = None,
    noisy: Annotated[bool, typer.Option(
        "--noisy", help="Accept a teacher whose answers to the same input differ.")] = False,
    noise: Annotated[float, typer.Option(
        min=0.0, help="Standard deviation of a table's noise over that of its answers: 0.01 for 1%.")] = 0.0,
    students: Annotated[int | None, typer.Option(min=1, help="Students trained side by side.")] = None,
    widths: Annotated[str | None, typer.Option(
        metavar="N,N,...", help="Hidden widths of the students, tried one after the other.")] = None,
    effort: Annotated[float | None, typer.Option(
        help="Floating-point operations of a training step up to which wider students are tried; 2e10 by default.")
        ] = None,
    largest_matrix: Annotated[int | None, typer.Option(
        min=1, metavar="MIB", help="MiB that the matrix J'J of one student may take; larger students are trained "
                                   "without it, by inexact steps. 128 by default: 4,096 parameters.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of queries and students.")] = 0,
    out: Annotated[Path | None, typer.Option(
        help="Run folder; an interrupted run goes on there. Default: runs/TEACHER.")] = None,
    checkpoint: Annotated[float, typer.Option(
        metavar="SECONDS", help="Store how far students have come this often: a kill costs no more.")] = 30.0,
    engine: Engine = EngineKind.local,
    scheduler: Scheduler = None,
    track: Track = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Recover the network behind TEACHER."""
    from expandcluster.terminal import print_recovery, watch

    with failures_told(quiet, verbose):
        set_up_jax()
        from expandcluster import recover as run
        from expandcluster.data import read_inputs
        from expandcluster.errors import BadInput
        from expandcluster.options import ExpandOptions, LMOptions, QueryOptions, RecoverOptions
        from expandcluster.queries.domain import Domain
        from expandcluster.run_folder import summary
        from expandcluster.teachers import open_teacher
        if raw_bytes and inputs is None:
            raise BadInput("--raw-bytes", got="no --inputs", expected="a file of images to ask",
                           remedy="Name it with --inputs, or leave this out.")
        rows = None if inputs is None else read_inputs(inputs, unit=not raw_bytes)
        domain = Domain.parse(box, integers)
        asked = open_teacher(teacher, input_size if rows is None else rows.x.shape[1], domain=domain,
                             probabilities=output in ("softmax", "logistic"), outputs=outputs)
        given: dict[str, Any] = {"students": students, "widths": whole_numbers("--widths", widths), "effort": effort}
        if largest_matrix is not None:
            given["trainers"] = (LMOptions(largest_matrix=largest_matrix * 2**20),)
        expand = ExpandOptions(**{name: value for name, value in given.items() if value is not None})
        options = RecoverOptions(queries=QueryOptions(domain=domain, sampler=sampler.value, scale=scale,
                                                      max_queries=max_queries, noisy=noisy, noise=noise),
                                 expand=expand)
        folder = out or Path("runs") / folder_name(teacher)
        with (watch(quiet=quiet, only_json=as_json, verbose=verbose, track=track or ()) as progress,
              engine_running(engine, scheduler, progress)):
            recovery = run(asked, activation=activation, hidden_layers=depth_of(hidden_layers), output=output,
                           seed=seed, inputs=rows, options=options, out=folder, checkpoint=checkpoint,
                           progress=progress)
    if as_json:
        print_json(summary(recovery))
    elif not quiet:
        print_recovery(recovery)
    raise typer.Exit(EXACT if recovery.exact else OTHER_VERDICT)


def folder_name(teacher: str) -> str:
    """`runs/` gets one folder for each teacher."""
    name = Path(teacher.partition("?")[0]).name  # what follows a question mark may be a key
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "run"
