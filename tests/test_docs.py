"""Examples run: those in docstrings, and the Python of README.md and docs/."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import expandcluster

ROOT = Path(__file__).parents[1]
MODULES = sorted(m.name for m in pkgutil.walk_packages(expandcluster.__path__, "expandcluster.")
                 if not m.name.endswith("__main__"))
PYTHON = re.compile(r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_on_pages_runs_and_prints_what_they_show(page, tmp_path, monkeypatch):
    """A `text` block right below a `python` block is what it prints; `...` stands for anything."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block, shown in PYTHON.findall(page.read_text()):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, str(page), "exec"), names)
        if shown or page.parent.name == "tutorials":
            assert doctest.OutputChecker().check_output(shown, printed.getvalue(), doctest.ELLIPSIS), (
                f"{page.name} shows\n{shown}and printed is\n{printed.getvalue()}")
    if page.name == "README.md":
        assert names["recovery"].verdict.name == "EXACT"


def test_every_public_name_is_documented_and_loads():
    for name in expandcluster.__all__:
        assert getattr(expandcluster, name) is not None
        assert name == "__version__" or (getattr(expandcluster, name).__doc__ or "").strip()


def test_pages_name_files_that_exist():
    words = re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", (ROOT / "ARCHITECTURE.md").read_text())
    for word in words:
        places = [ROOT / word, ROOT / "src/expandcluster" / word, ROOT / "src" / word]
        assert word in ("base.py",) or any(p.exists() for p in places), word


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tests_named_on_pages_exist(page):
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", page.read_text())
    assert len(named) == len(re.findall(r"\w::", page.read_text()))
    assert named or page.name != "method.md"
    for file, name in named:
        assert (ROOT / file).is_file(), file
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            name, _, heading = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            assert not heading or heading in headings(file), target


def headings(page):
    return {re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
            for line in page.read_text().splitlines() if line.startswith("#")}


def test_figures_of_pages_are_small():
    figures = sorted((ROOT / "docs" / "figures").iterdir())
    used = "".join(page.read_text() for page in PAGES)
    assert figures and all(f"figures/{figure.name}" in used for figure in figures)
    assert sum(figure.stat().st_size for figure in figures) < 600_000


def test_the_citation_names_the_paper_and_this_version():
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)  # what the format (1.2.0) demands
    assert cited["version"] == expandcluster.__version__ and cited["license"] == "MIT"
    paper = cited["preferred-citation"]
    assert [a["family-names"] for a in paper["authors"]] == ["Martinelli", "Simsek", "Gerstner", "Brea"]
    assert paper["title"].startswith("Expand-and-Cluster") and paper["year"] == 2024
