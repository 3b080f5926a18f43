"""What people expect of any command line: help, completion, colours, quiet and verbose, exit codes, a man page."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import resource
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.activations import activation_names
from expandcluster.cli import app
from expandcluster.cli_common import ACTIVATIONS, EXIT_CODES, OUTPUTS
from expandcluster.teachers.links import LINKS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "share" / "man" / "man1" / "expandcluster.1"
_HEAVY = ("jax", "sklearn", "torch", "matplotlib", "scipy", "numpy", "onnx", "mlflow", "tensorboard")
_COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7])[0-9;]*m")


def _commands(group: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [path for name, command in group.commands.items() for path in (
        [(*before, name)] if not hasattr(command, "commands") else
        [(*before, name), *_commands(command, (*before, name))])]


COMMANDS = _commands(typer.main.get_command(app))


def _run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "expandcluster", *map(str, arguments)], capture_output=True, text=True,
                          cwd=cwd, timeout=300, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.safetensors"
    ec.save_network(random_teacher((4, 3, 2), "tanh", 0), path)
    return path


@pytest.fixture(scope="module")
def run_folder(truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that was started with --quiet."""
    out = tmp_path_factory.mktemp("runs") / "run"
    done = _run("recover", truth, "--activation", "tanh", "--out", out, "--quiet")
    assert done.returncode == 0 and done.stdout == done.stderr == ""
    return out


def test_help_of_every_command_is_quick_has_examples_and_loads_nothing_heavy() -> None:
    code = ("import sys; from expandcluster.cli import app; from typer.testing import CliRunner\n"
            "for line in sys.stdin: print(CliRunner().invoke(app, [*line.split(), '--help']).output, end='\\0')\n"
            f"print([m for m in {_HEAVY} if m in sys.modules])")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], input="\n".join(map(" ".join, COMMANDS)), capture_output=True,
                          text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    *pages, loaded = done.stdout.split("\0")
    assert loaded.strip() == "[]" and len(pages) == len(COMMANDS) >= 8
    for command, page in zip(COMMANDS, pages, strict=True):
        examples = [line for line in page.partition("Examples:")[2].splitlines() if line.strip()]
        assert len(examples) >= 2, command
        assert all(re.match(r" +expandcluster \w", line) for line in examples), command
        assert command[-1] == "benchmark" or all(word in page for word in ("-q, --quiet", "-v, --verbose", "--json"))
    assert after.ru_utime - before.ru_utime < 1.0  # seconds of processor, for all pages together


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_says_what_exit_codes_mean(flag: str) -> None:
    page = " ".join(_run(flag).stdout.split())
    assert all(f"{code} {words}" in page for code, words in EXIT_CODES.items())


def test_examples_of_help_are_accepted(truth: Path) -> None:
    """Every example names a command and options that exist."""
    root = typer.main.get_command(app)
    text = "\n".join(c.epilog or "" for c in [root, *_all(root)])
    examples = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("expandcluster ")]
    assert len(examples) >= 12
    for words in examples:
        command: Any = root
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context("expandcluster", list(words))  # parses them; raises a usage error otherwise


def _all(group: Any) -> list[Any]:
    return [c for command in group.commands.values() for c in [command, *(_all(command) if hasattr(command, "commands")
                                                                          else [])]]


def test_bash_completes_commands_options_and_their_values(tmp_path: Path) -> None:
    program = tmp_path / "expandcluster"
    program.write_text(f"#!{sys.executable}\nfrom expandcluster.cli import main\nmain()\n")  # as pip writes it
    program.chmod(0o755)
    # As a shell does it: load the script, then call its function for the word under the cursor.
    script = tmp_path / "complete.sh"
    script.write_text(f'export PATH="{tmp_path}:$PATH"\n'
                      'script=$(_EXPANDCLUSTER_COMPLETE=source_bash expandcluster) && eval "$script"\n'
                      'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
                      '_expandcluster_completion expandcluster; printf "%s\\n" "${COMPREPLY[@]}"\n')

    def complete(*words: str) -> list[str]:
        done = subprocess.run(["bash", script, "expandcluster", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert complete("rec") == ["recover"]
    assert {"--activation", "--max-queries", "--quiet"} <= set(complete("recover", "--"))
    assert complete("benchmark", "ab") == ["ablations"]
    assert complete("recover", "--activation", "sof") == ["softplus", "softsign"]
    assert complete("recover", "--output", "l") == ["logistic"]
    assert complete("recover", "--sampler", "g") == ["gaussian"]
    assert "complete -o default" in _run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
                                         ).stdout


def test_completion_offers_what_there_is() -> None:
    assert set(ACTIVATIONS) == {"auto", *(name.partition("(")[0] for name in activation_names())}
    assert set(OUTPUTS) == {"auto", *LINKS}


def test_quiet_still_prints_json_and_errors(truth: Path, run_folder: Path, tmp_path: Path) -> None:
    done = _run("compare", run_folder, truth, "-q", "--json")
    assert json.loads(done.stdout)["exact"] and done.stderr == "" and done.returncode == 0
    assert _run("compare", run_folder, truth, "-q").stdout == ""
    wrong = _run("compare", tmp_path / "none", truth, "-q")
    assert wrong.returncode == 2 and "no such file" in wrong.stderr and wrong.stdout == ""
    assert (run_folder / "network.safetensors").is_file()


def test_verbose_shows_numbers_and_where_errors_came_from(truth: Path, run_folder: Path, tmp_path: Path) -> None:
    done = _run("recover", truth, "--activation", "tanh", "--out", run_folder, "-v", "--json")
    assert json.loads(done.stdout)["verdict"] == "EXACT"
    assert "EXACT, hidden sizes 3" in done.stderr and "queries=" in done.stderr
    shown = _run("compare", run_folder, truth, "--verbose").stdout
    assert re.search(r"true neurons of layer 1 are +[0-2] [0-2] [0-2]", shown)
    wrong = _run("report", tmp_path, "-v")
    assert wrong.returncode == 2 and "Traceback" in wrong.stderr and wrong.stderr.splitlines()[-1].startswith("expandc")
    both = _run("report", run_folder, "-q", "-v")
    assert both.returncode == 2 and "--quiet and --verbose" in both.stderr


def _on_terminal(command: list[str], **environment: str) -> str:
    """What a command writes when its output is a terminal."""
    main, side = pty.openpty()
    env = {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}, "TERM": "xterm-256color",
           **environment}
    process = subprocess.Popen(command, stdout=side, stderr=side, stdin=side, env=env)
    os.close(side)
    seen = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        seen += part
    os.close(main)
    assert process.wait(timeout=60) == 0
    return seen.decode()


def test_colours_are_for_terminals_and_off_with_no_color(truth: Path, run_folder: Path) -> None:
    command = [sys.executable, "-m", "expandcluster", "compare", str(run_folder), str(truth)]
    shown = _on_terminal(command)
    assert _COLOUR.search(shown) and "yes" in shown
    plain = _on_terminal(command, NO_COLOR="1")
    assert not _COLOUR.search(plain) and "yes" in plain
    piped = _run(*command[3:], NO_COLOR="")
    assert "\x1b" not in piped.stdout + piped.stderr and "yes" in piped.stdout


def test_the_man_page_is_the_one_that_the_command_line_gives() -> None:
    written = runpy.run_path(str(ROOT / "share" / "man" / "write_man_page.py"))["man_page"]()
    assert PAGE.read_text() == written, "run: python share/man/write_man_page.py"
    for command in COMMANDS:
        assert command == ("benchmark",) or f".SS {' '.join(command)}\n" in written
    assert all(f".B {code}\n" in written for code in EXIT_CODES)


@pytest.mark.parametrize("command", [["mandoc", "-Tlint"], ["groff", "-man", "-ww", "-z", "-Tutf8"]],
                         ids=lambda command: command[0])
def test_readers_of_man_pages_have_nothing_to_say(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, PAGE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == done.stderr == ""


def test_a_wheel_brings_the_man_page(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".data/data/share/man/man1/expandcluster.1")]
        assert wheel.read(name).decode() == PAGE.read_text()


def test_exit_codes_are_documented_where_people_look() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    for code, words in EXIT_CODES.items():
        assert f"| {code} | {words} |" in readme
