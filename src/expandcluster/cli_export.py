"""The command that writes a network into a file of another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from expandcluster.cli_common import OUTPUTS, Json, Quiet, Verbose, failures_told, one_of, print_json

__all__ = ["EXAMPLES", "export"]

EXAMPLES = (
    "expandcluster export runs/model.onnx recovered.onnx --float32",
    "expandcluster export runs/digits recovered.pt --output raw",
)


def export(
    network: Annotated[str, typer.Argument(metavar="RUN-OR-NETWORK", help="A run folder, .safetensors or .onnx file.")],
    out: Annotated[Path, typer.Argument(help="File to write: .onnx, .safetensors, or .pt (PyTorch's state dict).")],
    float32: Annotated[bool, typer.Option("--float32", help="Write float32 instead of float64.")] = False,
    output: Annotated[str, typer.Option(
        autocompletion=one_of(OUTPUTS),
        help="The function after the last layer: raw (none), softmax or logistic; auto: what the teacher of the run "
             "answered with.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Write the network of a run, or a network, into a file of another format."""
    from expandcluster.errors import BadInput

    with failures_told(quiet, verbose):
        from expandcluster.export.network_files import save_network
        from expandcluster.export.open_network import open_network, output_behind

        if out.exists() and not force:
            raise BadInput(f"file {out}", got="a file that exists", expected="a new one",
                           remedy="Choose another name, or replace it with --force.")
        kind = output_behind(network) if output == "auto" else output
        found = open_network(network, before=kind)
        save_network(found, out, dtype="float32" if float32 else "float64", output=kind)
    if as_json:
        print_json({"network": str(out), "sizes": list(found.sizes), "activation": found.activation.name,
                    "output": kind, "dtype": "float32" if float32 else "float64"})
    elif not quiet:
        print(out)
