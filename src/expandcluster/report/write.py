"""Write the report of a run, and never over a file that is something else."""

from __future__ import annotations

import base64
import hashlib
import os
import string
from importlib import resources
from pathlib import Path

from expandcluster.errors import BadInput
from expandcluster.queries.probe import Probe
from expandcluster.read_run import RunDescription, read_description, read_probe, read_run
from expandcluster.report.html import element, join, plural, text
from expandcluster.report.sections import all_sections
from expandcluster.results import Recovery
from expandcluster.storage import write_bytes

__all__ = ["GENERATOR", "report_page", "write_report"]

GENERATOR = "expandcluster report 1"
_MARK = f'<meta name="generator" content="{GENERATOR.rsplit(maxsplit=1)[0]} '.encode()


def write_report(folder: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a finished run as one HTML file that needs nothing else.

    Args:
        folder: a run folder.
        path: of the file; ``report.html`` in the run folder by default.

    Returns:
        The file written.

    Raises:
        BadInput: the folder is no finished run, or ``path`` is something that is no report.
        MissingExtra: Matplotlib is not installed.
        ExpandClusterError: the file cannot be written.
    """
    folder = Path(folder)
    recovery, run, probe = read_run(folder), read_description(folder), read_probe(folder)
    path = folder / "report.html" if path is None else Path(path)
    _check_free(path)
    write_bytes(path, report_page(recovery, run, probe).encode("utf-8"))
    return path


def report_page(recovery: Recovery, run: RunDescription, probe: Probe) -> str:
    """The report as HTML.

    Args:
        recovery: the result.
        run: what was asked for.
        probe: the teacher's precision.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    sections = all_sections(recovery, run, probe)
    script = _part("script.js")
    return string.Template(_part("template.html")).substitute(
        generator=text(GENERATOR),
        policy=text(_policy(script)),
        style=_part("style.css"),
        script=script,
        title=text(f"Recovery of {run.teacher}"),
        subtitle=text(f"{plural(run.inputs, 'input')}, {plural(run.outputs, 'output')}, answers in {run.dtype}; "
                      f"activation {run.activation.replace(',', ', ')}, {run.hidden_layers} hidden "
                      f"layer{'s' * (run.hidden_layers != 1)}, seed {run.seed}"),
        navigation=join((element("li", element("a", s.title, href=f"#{s.name}")) for s in sections), ""),
        content=join(element("section", element("h2", s.title, id=f"{s.name}-title"), s.content, id=s.name,
                             aria_labelledby=f"{s.name}-title") for s in sections),
        footer=text(f"Written by expandcluster {run.versions.get('expandcluster', '')} from the files of the run; "
                    "the method is Expand-and-Cluster (Martinelli, Simsek, Gerstner, Brea, ICML 2024)."),
    )


def _part(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """What a browser may do with the page: show it and run this script; fetch nothing, run nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")


def _check_free(path: Path) -> None:
    """A report may be written again; nothing else is overwritten."""
    got = None
    if path.is_dir():
        got = "a folder"
    elif os.path.lexists(path):
        try:
            with path.open("rb") as file:
                got = None if _MARK in file.read(2048) else "a file that is no report of expandcluster"
        except OSError as error:
            got = f"something that cannot be read ({error.strerror or error})"
    if got:
        raise BadInput(f"report {path}", got=got, expected="a new file, or a report to write again",
                       remedy="Choose another file with --out.")
