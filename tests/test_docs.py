"""Examples run: those in docstrings, and the Python of README.md and docs/."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import expandcluster

ROOT = Path(__file__).parents[1]
MODULES = sorted(m.name for m in pkgutil.walk_packages(expandcluster.__path__, "expandcluster.")
                 if not m.name.endswith("__main__"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_on_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    assert all(isinstance(block, str) for block in blocks)
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
