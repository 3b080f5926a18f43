"""Writes share/man/man1/expandcluster.1 from the command line itself.

    python share/man/write_man_page.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import typer

import expandcluster
from expandcluster.cli import app
from expandcluster.cli_common import EXIT_CODES

PAGE = Path(__file__).parent / "man1" / "expandcluster.1"
DATE = "2026-11-27"  # when this text last changed

_ENVIRONMENT = {
    "NO_COLOR": "If set, nothing is coloured. Nothing is in a pipe or a file either.",
    "XDG_CACHE_HOME": "Compiled programs are kept in expandcluster/jax below it; below ~/.cache where it is not set.",
    "JAX_COMPILATION_CACHE_DIR": "Keeps them in this folder instead.",
}


def man_page() -> str:
    """The page as troff source."""
    root = typer.main.get_command(app)
    lines = [
        f'.TH EXPANDCLUSTER 1 "{DATE}" "expandcluster {expandcluster.__version__}" "User Commands"',
        ".SH NAME", r"expandcluster \- recover a neural network from its input-output behaviour",
        ".SH SYNOPSIS", r".B expandcluster", r"\fICOMMAND\fR [\fIOPTIONS\fR] \fIARGUMENTS\fR",
        ".SH DESCRIPTION", _text(root.help),
        _text("A run folder keeps every answer and every finished stage: the same command goes on where it was "
              "interrupted."),
        ".SH OPTIONS", *_options(root), ".SH COMMANDS",
    ]
    for name, command in _commands(root):
        lines += [f".SS {name}", _text(command.help), *_options(command), *_examples(command)]
    lines += [".SH EXIT STATUS", *_list(EXIT_CODES), ".SH ENVIRONMENT", *_list(_ENVIRONMENT)]
    return "\n".join(lines) + "\n"


def _list(entries: dict[Any, str]) -> list[str]:
    return [line for name, words in entries.items() for line in (".TP", f".B {name}", _text(words))]


def _commands(group: Any, before: str = "") -> list[tuple[str, Any]]:
    """Commands by their full names; those of a group after the group itself."""
    found = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found += [(before + name, command)] if inner is None else _commands(command, f"{before}{name} ")
    return found


def _options(command: Any) -> list[str]:
    lines: list[str] = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        names = ", ".join(rf"\fB{_escaped(name)}\fR" for name in [*parameter.opts, *parameter.secondary_opts]
                          if name.startswith("-"))
        value = parameter.metavar or (parameter.name or "").upper().replace("_", "-")
        value = rf"\fI{_escaped(value)}\fR"
        said = (parameter.help or "").strip()
        if names and not parameter.is_flag and parameter.default not in (None, "") and "efault" not in said:
            said += f" Default: {getattr(parameter.default, 'value', parameter.default)}."
        if names and parameter.required:
            said += " Required."
        lines += [".TP", f"{names} {value}" if names and not parameter.is_flag else names or value, _text(said)]
    return [*lines, ".TP", r"\fB\-h\fR, \fB\-\-help\fR", "Show all this on the terminal."]


def _examples(command: Any) -> list[str]:
    lines = (line.strip() for line in (command.epilog or "").splitlines())
    examples = [line for line in lines if line.startswith("expandcluster ")]
    return [".PP", "Examples:", ".PP", ".nf", *(f"    {_escaped(line)}" for line in examples), ".fi"]


def _text(words: str | None) -> str:
    """Running text in short lines, of which none may start with a dot."""
    text = _escaped((words or "").replace("\b", " "))
    lines = textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


if __name__ == "__main__":
    PAGE.write_text(man_page())
