"""The report: well-formed, complete, without outside requests, with everything from outside escaped."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.problems import random_teacher
from tests.report.large_run import PROBE
from typer.testing import CliRunner

import expandcluster as ec
from expandcluster.cli import app
from expandcluster.errors import BadInput
from expandcluster.queries.probe import Probe
from expandcluster.read_run import RunDescription, read_description, read_run
from expandcluster.report import GENERATOR, write_report
from expandcluster.report.repeat import command_line, python_call
from expandcluster.report.sections import all_sections
from expandcluster.results import Recovery, Verdict

pytest.importorskip("matplotlib")

EVIL = "<script>alert(1)</script>\"'&"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Page(html.parser.HTMLParser):
    """Checks that elements nest, and collects attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _square_run(folder: Path) -> Recovery:
    """Four inputs, so that the weights may be shown as images of 2 by 2; the teacher has an evil name."""
    teacher = ec.Teacher.from_network(random_teacher((4, 3, 1), "tanh", 0))
    teacher.name = EVIL
    return ec.recover(teacher, activation="tanh", out=folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    _square_run(folder)
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    path = write_report(run)
    assert path == run / "report.html"
    return path.read_text(encoding="utf-8")


def test_page_is_well_formed_and_labelled(page: str) -> None:
    parsed = _Page(page)
    assert parsed.all("html")[0]["lang"] == "en" and len(parsed.all("h1")) == 1 and len(parsed.all("main")) == 1
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(name, "").split()) <= set(ids)
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    for used in re.findall(r"url\(#([^)]*)\)", page):
        assert used in ids


def test_every_figure_is_there_with_text_and_numbers(page: str) -> None:
    parsed = _Page(page)
    figures = {attributes["id"] for attributes in parsed.all("figure")}
    assert figures == {"figure-curves", "figure-losses", "figure-tree-1", "figure-similarity-1", "figure-weights-1",
                       "figure-images-1", "figure-weights-2", "figure-certainty"}
    drawings = parsed.all("svg")
    assert len(drawings) == len(figures)
    assert all(d["role"] == "img" and d["aria-labelledby"] and d["viewbox"] for d in drawings)
    assert page.count("Numbers of this figure") == len(figures) - 1  # matrix and images share theirs
    assert all(attributes.get("scope") in ("col", "row") for attributes in parsed.all("th"))


def test_nothing_is_fetched_from_outside(page: str) -> None:
    assert not re.search(r"https?://", page)
    assert not re.search(r"@import|url\((?!#)|<iframe|<object|<embed", page)
    for _, attributes in _Page(page).elements:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes


def test_what_comes_from_outside_is_escaped(page: str) -> None:
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    parsed = _Page(page)
    assert len(parsed.all("script")) == 1 and not any("onerror" in a or "onload" in a for _, a in parsed.elements)
    assert f"Recovery of {EVIL}" in "".join(parsed.words)


def test_verdict_evidence_and_all_neurons(page: str, run: Path) -> None:
    words = "".join(_Page(page).words)
    recovery = read_run(run)
    assert recovery.verdict.value in words and recovery.network is not None
    assert "-".join(map(str, recovery.network.sizes)) in words
    certificate = recovery.certificate
    assert certificate is not None and f"{certificate.relative_loss:.1e}" in words
    for k in range(recovery.network.hidden_sizes[0]):
        bar = max(certificate.error_bars[0][k].max(), certificate.error_bars[1][k])
        cells = (f"neuron {k}", recovery.layers[0].support[k], f"{recovery.layers[0].angle[k]:.1e}", f"{bar:.1e}")
        assert "".join(str(cell) for cell in cells) in words
    for stage, seconds in recovery.timings.items():
        assert stage in words and f"{seconds:.2f}" in words
    for name, version in read_description(run).versions.items():
        assert f"{name}{version}" in words
    order = [words.index(text) for text in ("Verdict", "Sizes found", "Losses", "Neurons", "Not determined")]
    assert order == sorted(order)


def test_every_verdict_has_a_report(run: Path) -> None:
    recovery, about = read_run(run), read_description(run)
    assert recovery.certificate is not None
    bars = tuple(b.copy() for b in recovery.certificate.error_bars)
    bars[0][1, 2] = np.nan
    bars[2][:] = np.nan
    loose = dataclasses.replace(recovery.certificate, error_bars=bars, undetermined=("W1[1,2]", "W2[0,0]"))
    for verdict in Verdict:
        words = _words(dataclasses.replace(recovery, verdict=verdict, certificate=loose), about)
        assert verdict.value in words and "W1[1,2], W2[0,0]" in words and "1 undetermined" in words
        none = dataclasses.replace(recovery, verdict=verdict, certificate=None, network=None, layers=(),
                                   losses=np.array([np.inf, np.nan]), relative_loss=np.inf, steps=np.zeros(0))
        assert "No network was built" in _words(none, about)
    assert _words(dataclasses.replace(recovery, losses=np.zeros(0)), about)


def test_a_foreign_file_is_never_overwritten(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("<!DOCTYPE html><title>mine</title>")
    with pytest.raises(BadInput, match="no report"):
        write_report(run, path)
    assert "mine" in path.read_text()
    path.unlink()
    assert write_report(run, path) == path
    first = path.read_bytes()
    assert GENERATOR.encode() in first
    assert write_report(run, path).read_bytes() == first
    with pytest.raises(BadInput, match="a folder"):
        write_report(run, tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="cannot be read"):
        write_report(run, path)


def test_command_line(run: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    out = tmp_path / "new" / "r.html"
    result = runner.invoke(app, ["report", str(run), "--out", str(out)])
    assert result.exit_code == 0 and str(out) in result.output and out.is_file()
    result = runner.invoke(app, ["report", str(run), "--out", str(out), "--json"])
    assert json.loads(result.output) == {"report": str(out)}
    assert runner.invoke(app, ["report", str(tmp_path)]).exit_code == 2
    unfinished = tmp_path / "copy"
    shutil.copytree(run, unfinished)
    (unfinished / "result.json").unlink()
    assert runner.invoke(app, ["report", str(unfinished)]).exit_code == 2


def test_how_to_repeat_it(run: Path) -> None:
    about = read_description(run)
    assert command_line(about) is None  # its teacher is an object
    file = dataclasses.replace(about, teacher="a b.onnx", activation="leaky_relu(0.07)", seed=3)
    assert command_line(file) == ("expandcluster recover 'a b.onnx' --activation 'leaky_relu(0.07)' --hidden-layers 1 "
                                  "--seed 3")
    options = json.loads(json.dumps(about.options))
    options["queries"].update(max_queries=500, noisy=True)
    function = dataclasses.replace(about, teacher="mine:f", options=options)
    assert str(command_line(function)).endswith("--seed 0 --input-size 4 --max-queries 500 --noisy")
    options["queries"].update(noisy=False, noise=0.01)
    assert str(command_line(dataclasses.replace(function, options=options))).endswith("--max-queries 500 --noise 0.01")
    options["expand"]["trainers"][0]["largest_matrix"] = 64 * 2**20
    assert " --largest-matrix 64 --max-queries" in str(command_line(dataclasses.replace(function, options=options)))
    options["expand"]["trainers"][0]["largest_matrix"] = 2**27
    options["expand"]["trainers"][0]["steps"] = 7
    assert command_line(dataclasses.replace(function, options=options)) is None
    call = python_call(dataclasses.replace(function, options=options))
    assert "expand=ec.ExpandOptions(trainers=(ec.LMOptions(steps=7),))" in call
    compile(call, "call", "exec")
    compile(python_call(dataclasses.replace(about, teacher="x\n1/0", activation="mine\n1/0")), "call", "exec")
    softmax = dataclasses.replace(file, output="softmax")
    assert str(command_line(softmax)).endswith("--seed 3 --output softmax")
    assert "output='softmax'" in python_call(softmax)


def test_what_the_teacher_answered_and_what_that_hides(run: Path) -> None:
    recovery, about = read_run(run), read_description(run)
    assert recovery.output == "raw" and recovery.hidden_by_output == "" and "Hidden by" not in _words(recovery, about)
    words = _words(dataclasses.replace(recovery, output="softmax", told_by="told by <sums>"), about)
    for text in ("teacher's answerssoftmax", "(softmax): told by <sums>.", "before the softmax function",
                 "Hidden by softmax: one common shift of the output layer"):
        assert text in words


def test_a_run_of_before_there_were_links(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    (old / "stages" / "link.safetensors").unlink()
    assert read_run(old).output == "raw" and "link" not in read_description(old).queries
    write_report(old)


def _words(recovery: Recovery, about: RunDescription, probe: Probe = PROBE) -> str:
    return "".join(_Page(str("".join(s.content for s in all_sections(recovery, about, probe)))).words)
