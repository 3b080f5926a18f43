"""The report in a real browser: scripts run without an error, and nothing is wider than a phone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.report import write_report

pytest.importorskip("matplotlib")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: the report was not seen by a browser")

# A window is never narrower than 500 pixels, a frame may be; the frame's sizes are written into the page around it.
FRAME = """<!DOCTYPE html><body style="margin:0"><p id="seen"></p>
<iframe src="{page}" style="border:0;width:{width}px;height:2400px"></iframe><script>
document.querySelector("iframe").onload = function () {{
  var page = this.contentDocument, root = page.documentElement, buttons = page.querySelectorAll(".switch button");
  function shown() {{ return page.querySelectorAll(".choice figure:not([hidden])").length + ":" +
    page.querySelector(".choice figure:not([hidden])").id; }}
  var first = shown();
  buttons[0].click();
  document.getElementById("seen").textContent = [root.clientWidth, root.scrollWidth, first, shown(),
    buttons[0].getAttribute("aria-pressed"), buttons[1].getAttribute("aria-pressed"),
    Array.from(page.querySelectorAll("svg.plot")).filter(function (s) {{
      var box = s.getBoundingClientRect();
      return box.width && (box.height < 80 || box.right > root.clientWidth); }}).length].join(" ");
}};
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    teacher = ec.Teacher.from_network(random_teacher((4, 3, 1), "tanh", 0))
    teacher.name = "a-name-that-is-one-long-word-" * 5
    ec.recover(teacher, activation="tanh", out=folder / "run")
    return write_report(folder / "run")


def _chromium(page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               f"--user-data-dir={page.parent / 'profile'}", "--allow-file-access-from-files",
               "--enable-logging=stderr", "--virtual-time-budget=5000", *arguments, page.as_uri()]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # Chromium refuses to start as root with it
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("width", [375, 1280])
def test_page_fits_and_its_switch_works(page: Path, tmp_path: Path, width: int) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=page.as_uri(), width=width))
    result = _chromium(frame, "--dump-dom", f"--window-size={max(width, 500)},2400")
    assert "CONSOLE" not in result.stderr, result.stderr
    seen = re.search(r'<p id="seen">([^<]+)</p>', result.stdout)
    assert seen, result.stdout[:500] + result.stderr[-500:]
    assert seen[1].split() == [str(width), str(width), "1:figure-images-1", "1:figure-weights-1", "true", "false", "0"]


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["0", "1"])  # dark, light
def test_picture_of_the_page(page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    frame, picture = tmp_path / "frame.html", tmp_path / "picture.png"
    frame.write_text(FRAME.format(page=page.as_uri(), width=width))
    result = _chromium(frame, f"--screenshot={picture}", f"--window-size={max(width, 500)},2400",
                       f"--blink-settings=preferredColorScheme={scheme}")
    assert picture.is_file(), result.stderr[-500:]
    image = pytest.importorskip("matplotlib.image").imread(picture)
    assert image.shape[0] >= 2000 and image.shape[1] >= width
    part = image[100:2000, :width, :3]
    assert part.std() > 0.05  # there is something on it
    assert (part.mean() < 0.5) == (scheme == "0")
