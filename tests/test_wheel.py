"""The wheel in a clean environment that has the core dependencies and nothing else; `make wheel-test` runs this."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.slow]

ROOT = Path(__file__).parents[1]
CLEAN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
EXTRAS = ["diffrax", "httpx", "matplotlib", "mkdocs", "onnx", "onnxruntime", "optimistix", "pyarrow", "pytest", "torch"]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=CLEAN, capture_output=True, text=True,
                          timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def binaries(wheel: Path) -> Path:
    run(sys.executable, "-m", "venv", wheel.parent / "clean", cwd=wheel.parent)
    folder = next(f for f in (wheel.parent / "clean" / "bin", wheel.parent / "clean" / "Scripts") if f.is_dir())
    run(folder / "python", "-m", "pip", "install", "--quiet", wheel, cwd=wheel.parent)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    (page,) = {name for name in inside if ".data/" in name}
    assert page.endswith(".data/data/share/man/man1/expandcluster.1")
    assert inside - {page} == {p.relative_to(source).as_posix() for p in (source / "expandcluster").rglob("*")
                               if p.is_file() and p.suffix != ".pyc"}
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_nothing_but_the_core_is_installed(binaries: Path) -> None:
    listed = json.loads(run(binaries / "python", "-m", "pip", "list", "--format", "json", cwd=binaries))
    names = {entry["name"].lower() for entry in listed}
    assert "expandcluster" in names and not names & set(EXTRAS)
    home = run(binaries / "python", "-c", "import expandcluster; print(expandcluster.__file__)", cwd=binaries)
    assert Path(home.strip()).is_relative_to(binaries.parent)


def test_the_demo_recovers_its_network(binaries: Path, tmp_path: Path) -> None:
    assert "recover" in run(binaries / "expandcluster", "--help", cwd=tmp_path)
    row = json.loads(run(binaries / "expandcluster", "demo", "--out", "demo", "--json", cwd=tmp_path))
    assert row["verdict"] == "EXACT" and row["exact"] and row["sizes"] == [64, 16, 10]
    assert (tmp_path / row["network"]).is_file() and (tmp_path / row["truth"]).is_file()
