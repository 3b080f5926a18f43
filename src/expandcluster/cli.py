"""The command line."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from expandcluster.cli_benchmark import app as benchmark
from expandcluster.cli_common import (
    EXACT,
    OTHER_VERDICT,
    Json,
    depth_of,
    fail,
    interrupted,
    print_json,
    set_up_jax,
    whole_numbers,
)
from expandcluster.cli_export import export

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Recover a neural network, its layer sizes, weights and biases, from its input-output behaviour. "
         "Exit code 0: recovered exactly; 3: ended with another verdict; 2: bad usage or input.",
)

app.add_typer(benchmark, name="benchmark")
app.command()(export)


class Sampler(enum.StrEnum):
    """Choices of --sampler."""

    auto = "auto"
    gaussian = "gaussian"
    uniform = "uniform"
    around = "around"


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from expandcluster import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def recover(
    teacher: Annotated[str, typer.Argument(
        help="An .onnx file, a data table (.npz, .csv, .parquet), a .safetensors network, or module:function.")],
    activation: Annotated[str, typer.Option(
        help="Of the hidden layers, for example tanh or 'leaky_relu(0.07)'. Of several (tanh,relu), or auto for all "
             "listed ones, the one that explains the answers best is chosen.")],
    hidden_layers: Annotated[str, typer.Option(
        metavar="N|auto", help="How many hidden layers; their sizes are found. auto: 1, 2 and 3 are tried.")] = "1",
    output: Annotated[str, typer.Option(
        help="What the teacher answers: raw, softmax, logistic, or auto to tell from the answers.")] = "auto",
    inputs: Annotated[Path | None, typer.Option(
        help="Ask only these inputs: .npy, or the x of a table.")] = None,
    input_size: Annotated[int | None, typer.Option(min=1, help="Numbers in one input of module:function.")] = None,
    box: Annotated[str | None, typer.Option(
        metavar="LOW,HIGH", help="Ask only inputs between these, for example 0,1; one may be left out.")] = None,
    integers: Annotated[bool, typer.Option("--integers", help="Ask only whole numbers.")] = False,
    sampler: Annotated[Sampler, typer.Option(
        help="Where inputs are drawn; 'around' perturbs --inputs; 'auto': --inputs as they are, uniform in a box, "
             "else gaussian.")] = Sampler.auto,
    scale: Annotated[float, typer.Option(help="Standard deviation of gaussian inputs.")] = 1.0,
    max_queries: Annotated[int | None, typer.Option(min=1, help="Hard limit on the inputs asked.")] = None,
    noisy: Annotated[bool, typer.Option(
        "--noisy", help="Accept a teacher whose answers to the same input differ.")] = False,
    students: Annotated[int | None, typer.Option(min=1, help="Students trained side by side.")] = None,
    widths: Annotated[str | None, typer.Option(
        metavar="N,N,...", help="Hidden widths of the students, tried one after the other.")] = None,
    effort: Annotated[float | None, typer.Option(
        help="Floating-point operations of a training step up to which wider students are tried; 2e10 by default.")
        ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of queries and students.")] = 0,
    out: Annotated[Path | None, typer.Option(
        help="Run folder; an interrupted run goes on there. Default: runs/TEACHER.")] = None,
    as_json: Json = False,
) -> None:
    """Recover the network behind TEACHER."""
    from expandcluster.errors import BadInput, ExpandClusterError
    from expandcluster.terminal import print_recovery, watch

    try:
        set_up_jax()
        from expandcluster import recover as run
        from expandcluster.options import ExpandOptions, QueryOptions, RecoverOptions
        from expandcluster.queries.domain import Domain
        from expandcluster.run_folder import summary
        from expandcluster.teachers import open_teacher
        from expandcluster.teachers.table import read_inputs

        rows = None if inputs is None else read_inputs(inputs)
        domain = Domain.parse(box, integers)
        asked = open_teacher(teacher, input_size if rows is None else rows.shape[1], domain=domain,
                             probabilities=output in ("softmax", "logistic"))
        given: dict[str, Any] = {"students": students, "widths": whole_numbers("--widths", widths), "effort": effort}
        expand = ExpandOptions(**{name: value for name, value in given.items() if value is not None})
        options = RecoverOptions(queries=QueryOptions(domain=domain, sampler=sampler.value, scale=scale,
                                                      max_queries=max_queries, noisy=noisy),
                                 expand=expand)
        folder = out or Path("runs") / _folder_name(teacher)
        with watch(quiet=as_json) as progress:
            recovery = run(asked, activation=activation, hidden_layers=depth_of(hidden_layers), output=output,
                           seed=seed, inputs=rows, options=options, out=folder, progress=progress)
    except (BadInput, ExpandClusterError) as error:
        fail(error)
    except KeyboardInterrupt:
        interrupted()
    if as_json:
        print_json(summary(recovery))
    else:
        print_recovery(recovery)
    raise typer.Exit(EXACT if recovery.exact else OTHER_VERDICT)


@app.command()
def compare(
    found: Annotated[str, typer.Argument(metavar="RUN-OR-NETWORK", help="A run folder, .safetensors or .onnx file.")],
    truth: Annotated[str, typer.Argument(help="The true network: .safetensors, .onnx or a run folder.")],
    tolerance: Annotated[float, typer.Option(
        min=0.0, help="Largest error that counts as exact; 1e-3 for a float32 teacher.")] = 1e-8,
    output: Annotated[str | None, typer.Option(
        help="What the teacher answered: raw, softmax or logistic; of a run folder it is known.")] = None,
    as_json: Json = False,
) -> None:
    """Compare a recovered network with the truth; exit code 0 if it is exact, 3 if not."""
    from expandcluster.errors import BadInput, ExpandClusterError
    from expandcluster.terminal import print_comparison

    try:
        from expandcluster import compare as distance
        from expandcluster import open_network
        from expandcluster.export.open_network import output_behind

        kind = output_behind(found) if output is None else output
        networks = (open_network(name, before=kind) for name in (found, truth))
        result = distance(*networks, tolerance=tolerance, output=kind)
    except (BadInput, ExpandClusterError) as error:
        fail(error)
    if as_json:
        print_json({
            "sizes_match": result.sizes_match, "max_parameter_error": result.max_parameter_error,
            "exact": result.exact, "sizes": list(result.sizes), "true_sizes": list(result.true_sizes),
        })
    else:
        print_comparison(result)
    raise typer.Exit(EXACT if result.exact else OTHER_VERDICT)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write. Default: RUN/report.html.")] = None,
    as_json: Json = False,
) -> None:
    """Write everything known of a run into one HTML file that needs nothing else."""
    from expandcluster.errors import BadInput, ExpandClusterError

    try:
        from expandcluster.report import write_report

        path = write_report(run, out)
    except (BadInput, ExpandClusterError) as error:
        fail(error)
    if as_json:
        print_json({"report": str(path)})
    else:
        print(path)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where everything is left.")] = Path("runs/demo"),
    as_json: Json = False,
) -> None:
    """Train a scikit-learn network on handwritten digits and recover it through its predictions alone."""
    from expandcluster.errors import BadInput, ExpandClusterError
    from expandcluster.terminal import print_demo, watch

    try:
        set_up_jax()
        from expandcluster.demo import run_demo

        with watch(quiet=as_json) as progress:
            result = run_demo(out, progress)
    except (BadInput, ExpandClusterError) as error:
        fail(error)
    except KeyboardInterrupt:
        interrupted()
    if as_json:
        print_json(result.row())
    else:
        print_demo(result)
    raise typer.Exit(EXACT if result.recovery.exact and result.comparison.exact else OTHER_VERDICT)


def _folder_name(teacher: str) -> str:
    """`runs/` gets one folder for each teacher."""
    name = Path(teacher.partition("?")[0]).name  # what follows a question mark may be a key
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "run"


def main() -> None:
    """Entry point of the `expandcluster` command."""
    app()
