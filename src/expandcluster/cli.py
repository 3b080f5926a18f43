"""The command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from expandcluster.cli_audit import EXAMPLES as AUDIT_EXAMPLES
from expandcluster.cli_audit import audit
from expandcluster.cli_benchmark import app as benchmark
from expandcluster.cli_common import (
    EXACT,
    EXIT_CODES,
    OTHER_VERDICT,
    OUTPUTS,
    Json,
    Quiet,
    Track,
    Verbose,
    epilog,
    failures_told,
    one_of,
    print_json,
    set_up_jax,
)
from expandcluster.cli_export import EXAMPLES as EXPORT_EXAMPLES
from expandcluster.cli_export import export
from expandcluster.cli_recover import EXAMPLES as RECOVER_EXAMPLES
from expandcluster.cli_recover import recover

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recover a neural network, its layer sizes, weights and biases, from its input-output behaviour.",
    epilog=epilog("expandcluster demo", *RECOVER_EXAMPLES[:1], "expandcluster report runs/model.onnx")
    + "\n\n\b\nExit codes:\n" + "\n".join(f"  {code:<4} {words}" for code, words in EXIT_CODES.items()),
)

app.command(epilog=epilog(*RECOVER_EXAMPLES))(recover)
app.command(epilog=epilog(*AUDIT_EXAMPLES))(audit)
app.add_typer(benchmark, name="benchmark")
app.command(epilog=epilog(*EXPORT_EXAMPLES))(export)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from expandcluster import __version__

        print(__version__)
        raise typer.Exit


@app.command(epilog=epilog("expandcluster compare runs/demo runs/demo/truth.safetensors",
                           "expandcluster compare found.onnx truth.onnx --tolerance 1e-3 --json"))
def compare(
    found: Annotated[str, typer.Argument(metavar="RUN-OR-NETWORK", help="A run folder, .safetensors or .onnx file.")],
    truth: Annotated[str, typer.Argument(
        metavar="TRUTH", help="The true network: .safetensors, .onnx or a run folder.")],
    tolerance: Annotated[float, typer.Option(
        min=0.0, help="Largest error that counts as exact; 1e-3 for a float32 teacher.")] = 1e-8,
    output: Annotated[str | None, typer.Option(
        autocompletion=one_of(OUTPUTS[1:]),
        help="What the teacher answered: raw, softmax or logistic; of a run folder it is known.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Compare a recovered network with the truth; exit code 0 if it is exact, 3 if not."""
    from expandcluster.terminal import print_comparison

    with failures_told(quiet, verbose):
        from expandcluster import compare as distance
        from expandcluster import open_network
        from expandcluster.export.open_network import output_behind, tells_determined
        from expandcluster.read_run import read_run

        kind = output_behind(found) if output is None else output
        network = read_run(found) if tells_determined(found) else open_network(found, before=kind)
        result = distance(network, open_network(truth, before=kind), tolerance=tolerance, output=kind)
    if as_json:
        print_json({
            "sizes_match": result.sizes_match, "max_parameter_error": result.max_parameter_error,
            "determined_error": result.determined_error, "exact": result.exact, "sizes": list(result.sizes),
            "true_sizes": list(result.true_sizes),
        })
    elif not quiet:
        print_comparison(result, verbose=verbose)
    raise typer.Exit(EXACT if result.exact else OTHER_VERDICT)


@app.command(epilog=epilog("expandcluster report runs/demo",
                           "expandcluster report runs/model.onnx --out model.html"))
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write. Default: RUN/report.html.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Write everything known of a run into one HTML file that needs nothing else."""
    with failures_told(quiet, verbose):
        from expandcluster.report import write_report

        path = write_report(run, out)
    if as_json:
        print_json({"report": str(path)})
    elif not quiet:
        print(path)


@app.command(epilog=epilog("expandcluster demo",
                           "expandcluster demo --out runs/digits --track tensorboard:runs/board"))
def demo(
    out: Annotated[Path, typer.Option(help="Where everything is left.")] = Path("runs/demo"),
    track: Track = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Train a scikit-learn network on handwritten digits and recover it through its predictions alone."""
    from expandcluster.terminal import print_demo, watch

    with failures_told(quiet, verbose):
        set_up_jax()
        from expandcluster.demo import run_demo

        with watch(quiet=quiet, only_json=as_json, verbose=verbose, track=track or ()) as progress:
            result = run_demo(out, progress)
    if as_json:
        print_json(result.row())
    elif not quiet:
        print_demo(result)
    raise typer.Exit(EXACT if result.recovery.exact and result.comparison.exact else OTHER_VERDICT)


def main() -> None:
    """Entry point of the `expandcluster` command."""
    app()
