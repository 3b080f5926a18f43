"""The documentation site: it builds without a warning, lacks no public name, and asks no other server for anything."""

from __future__ import annotations

import functools
import http.server
import importlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import expandcluster
from expandcluster.results import Verdict

yaml = pytest.importorskip("yaml")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Modules beside `expandcluster` itself whose `__all__` belongs on the API pages.
PUBLIC = ["activations", "cluster.tree", "compare", "errors", "export.safetensors_file", "networks", "options",
          "problems.synthetic", "progress", "read_run", "results", "symmetry_moves"]
# Pages are looked at in frames as wide as a phone and a desktop; what they loaded is told to the server.
FRAME = """<!DOCTYPE html><body style="margin:0"><script>
var pages = {pages}, seen = [];
function next() {{
  var page = pages.pop(), frame = document.createElement("iframe");
  if (!page) {{ fetch("/seen", {{method: "POST", body: JSON.stringify(seen)}}); return; }}
  frame.style = "border:0;height:2400px;width:" + page[1] + "px";
  frame.onload = function () {{
    var inner = frame.contentDocument, root = inner.documentElement;
    seen.push({{page: page[0], width: page[1], inside: root.scrollWidth, title: inner.title,
      broken: Array.from(inner.images).filter(function (i) {{ return !i.naturalWidth; }}).length,
      loaded: frame.contentWindow.performance.getEntriesByType("resource").map(function (e) {{ return e.name; }})}});
    frame.remove(); next();
  }};
  frame.src = page[0]; document.body.append(frame);
}}
next();
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    # Not --quiet, under which warnings are neither shown nor counted.
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
                          cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr
    return out


def pages_of(entries: list | dict | str) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    return [page for e in (entries.values() if isinstance(entries, dict) else entries) for page in pages_of(e)]


NAV = pages_of(yaml.load((ROOT / "mkdocs.yml").read_text(), yaml.BaseLoader)["nav"])


def test_every_page_is_in_the_menu_and_every_entry_of_it_a_page(site: Path) -> None:
    written = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert set(NAV) == written and len(NAV) == len(set(NAV))
    for page in NAV:
        assert (site / page).with_suffix(".html").is_file()


def places(name: str) -> set[str]:
    """Where a name may be shown: where it is exported, or in the module that defines it."""
    module, _, last = name.rpartition(".")
    thing = getattr(importlib.import_module(module), last)
    home = getattr(thing, "__module__", "") if callable(thing) else ""
    return {name, f"{home}.{last}"}


def test_every_public_name_is_on_an_api_page(site: Path) -> None:
    shown = set(re.findall(r'id="(expandcluster[\w.]*)"', "".join(p.read_text() for p in (site / "api").iterdir())))
    packages = [p for p in ("audit", "plot", "report", "trackers") if (ROOT / "src/expandcluster" / p).is_dir()]
    wanted = {f"expandcluster.{home}.{name}" for name, home in expandcluster._HOME.items()}
    for module in [*PUBLIC, *packages]:
        names = importlib.import_module(f"expandcluster.{module}").__all__
        wanted |= {f"expandcluster.{module}.{name}" for name in names}
    missing = {name for name in wanted if not places(name) & shown}
    assert not missing, f"add them to a page of docs/api: {sorted(missing)}"


def test_docstrings_show_no_markup_of_another_language(site: Path) -> None:
    for page in (site / "api").iterdir():
        assert not re.search(r":(class|func|meth|attr):", page.read_text()), page.name


def test_every_verdict_has_its_section() -> None:
    sections = re.findall(r"^## ([A-Z_]+)$", (ROOT / "docs" / "verdicts.md").read_text(), re.MULTILINE)
    assert sections == [verdict.name for verdict in Verdict]


def test_no_page_names_a_foreign_script_style_font_or_image(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]+src="?([^"> ]+)', text)
        loaded += re.findall(r'<link(?![^>]+rel="?canonical)[^>]+href="?([^"> ]+)', text)
        assert loaded and not [url for url in loaded if "//" in url], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text()), style


class Server(http.server.ThreadingHTTPServer):
    """Serves the site on loopback and takes what the browser saw."""

    def __init__(self, site: Path) -> None:
        seen: queue.Queue[str] = queue.Queue()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_POST(self) -> None:
                seen.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
        self.address, self.seen = f"http://127.0.0.1:{self.server_port}/", seen


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: the site was not seen by a browser")
def test_pages_in_a_browser(site: Path, tmp_path: Path) -> None:
    """Nothing is loaded from elsewhere, no picture is missing, no error is logged, nothing is wider than a phone."""
    names = [page.replace(".md", ".html") for page in NAV]
    (site / "frame.html").write_text(FRAME.format(pages=json.dumps([[n, w] for n in names for w in (375, 1280)])))
    with Server(site) as server, open(tmp_path / "log", "w+") as log:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = subprocess.Popen(
            [str(CHROMIUM), "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}",
             "--enable-logging=stderr", "--window-size=1280,2400", *root, server.address + "frame.html"],
            stdout=log, stderr=log)
        try:
            seen = json.loads(server.seen.get(timeout=120))
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
        log.seek(0)
        assert "CONSOLE" not in log.read()
    assert len(seen) == 2 * len(names)
    for page in seen:
        assert page["title"] and page["broken"] == 0, page
        assert page["inside"] <= page["width"], page
        assert page["loaded"] and all(u.startswith((server.address, "data:", "blob:")) for u in page["loaded"]), page
