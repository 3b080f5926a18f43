"""Reports in a real browser: every figure is seen, everything works, nothing is fetched, at a desk and on a phone.

Screenshots are kept in ``.artefacts/report`` of the repository, which git ignores.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.evil import EVIL, evil_copy
from tests.report.large_run import ABOUT, PROBE, large_recovery

import expandcluster as ec
from expandcluster.demo import run_demo
from expandcluster.report import write_report
from expandcluster.report.write import report_page

pytest.importorskip("matplotlib")
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: reports were not seen by a browser")
ARTEFACTS = Path(__file__).parents[2] / ".artefacts" / "report"
WINDOWS = {"phone": (390, 844), "desktop": (1280, 900)}


def _pictures(neurons: int = 16) -> ec.Network:
    """784-16-10 of smooth weights, as networks that were trained on images have them."""
    rng = np.random.default_rng(0)
    waves = np.cos(np.outer(np.arange(6), np.linspace(0, np.pi, 28)))
    first = np.einsum("nab,ax,by->nxy", rng.normal(size=(neurons, 6, 6)), waves, waves).reshape(neurons, 784)
    return ec.Network((first / np.linalg.norm(first, axis=1, keepdims=True), rng.normal(size=(10, neurons))),
                      (rng.normal(size=neurons) / 2, rng.normal(size=10)), "tanh")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of the demo on digits, of a 784-16-10 network, of thousands of neurons, and one of hostile words."""
    folder = tmp_path_factory.mktemp("browser")
    run_demo(folder / "digits")
    ec.recover(ec.Teacher.from_network(_pictures()), activation="tanh", out=folder / "784-16-10")
    evil_copy(folder / "digits", folder / "hostile")
    large = folder / "large.html"
    large.write_text(report_page(large_recovery(1200, 8, 400), ABOUT, PROBE))
    return {"large": large, **{name: write_report(folder / name) for name in ("digits", "784-16-10", "hostile")}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if root else [])
        yield one
        one.close()


class Seen:
    """A page in a window of its own, and what it did."""

    def __init__(self, browser: Any, path: Path, window: str = "desktop", scheme: str = "light") -> None:
        width, height = WINDOWS[window]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.path = path

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, kind: object, *rest: object) -> None:
        self.context.close()
        if kind is None:
            assert self.said == []
            assert {url.partition("#")[0] for url in self.asked if not url.startswith("data:")} == {self.path.as_uri()}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", ["digits", "784-16-10", "large", "hostile"])
def test_every_figure_is_seen_and_nothing_is_cut_off(reports: dict[str, Path], browser: Any, name: str, window: str
                                                     ) -> None:
    with Seen(browser, reports[name], window) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == WINDOWS[window][0]
        shown = page.locator("figure:visible")
        ids = shown.evaluate_all("all => all.map(one => one.id)")
        every = ("curves", "losses", "tree-1", "similarity-1", "weights-2", "certainty")
        assert {f"figure-{figure}" for figure in every} < {*ids}
        assert ("figure-images-1" in ids) == (name != "large") and ("figure-weights-1" in ids) == (name == "large")
        for box in shown.locator("svg").evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())"):
            assert box["height"] > 150 and box["left"] >= 0 and box["right"] <= WINDOWS[window][0]
        small = page.locator("svg.plot text").evaluate_all(
            "all => all.filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect())"
            ".filter(box => box.height < 9).length")
        assert small == 0  # type that cannot be read


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", ["digits", "784-16-10"])
def test_pictures_are_kept(reports: dict[str, Path], browser: Any, name: str, window: str, scheme: str) -> None:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    with Seen(browser, reports[name], window, scheme) as page:
        picture = page.screenshot(full_page=True, path=ARTEFACTS / f"{name}-{window}-{scheme}.png")
    image = pytest.importorskip("matplotlib.image").imread(io.BytesIO(picture))[..., :3]
    assert image.shape[1] == WINDOWS[window][0] and image.shape[0] > 3000
    assert image.std() > 0.05  # there is something on it
    assert (image.mean() < 0.5) == (scheme == "dark")


@pytest.mark.parametrize(("window", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_rules_of_accessibility_are_kept(reports: dict[str, Path], browser: Any, window: str, scheme: str) -> None:
    with Seen(browser, reports["digits"], window, scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        result = axe.Axe().run(page)
        assert result.violations_count == 0, result.generate_report()
        assert len(result.response["passes"]) > 20


def test_switch_of_weights_by_mouse_and_keyboard(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["784-16-10"]) as page:
        matrix, images = page.locator("#figure-weights-1"), page.locator("#figure-images-1")
        buttons = page.get_by_role("group", name="How to show the weights").get_by_role("button")
        assert images.is_visible() and not matrix.is_visible()
        assert [b.get_attribute("aria-pressed") for b in buttons.all()] == ["false", "true"]
        buttons.nth(0).click()
        assert matrix.is_visible() and not images.is_visible()
        assert [b.get_attribute("aria-pressed") for b in buttons.all()] == ["true", "false"]
        buttons.nth(1).focus()
        page.keyboard.press("Enter")
        assert images.is_visible() and not matrix.is_visible()


def test_links_lead_to_sections(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["digits"], "phone") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the result"
        page.keyboard.press("Enter")
        links = page.get_by_role("navigation", name="Sections").get_by_role("link")
        assert links.count() >= 9
        for link in links.all():
            link.click()
            target = str(link.get_attribute("href"))
            heading = page.locator(f"{target} h2")
            assert page.url.endswith(target) and heading.inner_text() == link.inner_text()
            box = heading.bounding_box()
            assert box is not None and 0 <= box["y"] < WINDOWS["phone"][1]


def test_tables_open_and_sort_by_keyboard(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["digits"]) as page:
        page.locator("#figure-losses summary").focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("table", name="Losses of the students, best first").is_visible()
        table = page.get_by_role("table", name="Hidden layer 1: 16 neurons")
        table.get_by_role("button", name="angle").focus()
        for order, sign in (("ascending", 1), ("descending", -1)):
            page.keyboard.press("Enter")
            assert table.get_by_role("columnheader", name="angle").get_attribute("aria-sort") == order
            angles = np.array([float(word) for word in table.locator("td:nth-child(3)").all_inner_texts()])
            assert len(angles) == 16 and (sign * np.diff(angles) >= 0).all()


def test_large_tables_come_last(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["large"]) as page:
        first = page.get_by_role("table", name="The 20 least certain").get_by_role("row").nth(1)
        assert "neuron 7" in first.inner_text() and "undetermined" in first.inner_text()
        every = page.get_by_role("table", name="Hidden layer 1: 1,200 neurons")
        assert not every.is_visible()
        page.get_by_text("All 1,200 neurons").click()
        assert every.is_visible() and every.get_by_role("row").count() == 1201


def test_print(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["784-16-10"], scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert not page.locator("nav").is_visible() and not page.locator(".switch").is_visible()
        assert page.locator("#figure-weights-1").is_visible() and page.locator("#figure-images-1").is_visible()
        paper = page.pdf(format="A4")
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        (ARTEFACTS / "784-16-10.pdf").write_bytes(paper)
        assert paper.startswith(b"%PDF") and 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 12


def test_hostile_words_are_only_words(reports: dict[str, Path], browser: Any) -> None:
    with Seen(browser, reports["hostile"]) as page:
        assert page.evaluate("window.harm") is None
        assert page.locator("script").count() == 1 and page.locator("img, iframe, object, form").count() == 0
        assert EVIL in page.get_by_role("heading", level=1).inner_text()
        assert page.locator("#repeat").inner_text().count(EVIL) > 5


def test_even_a_script_that_got_in_could_fetch_nothing(reports: dict[str, Path], browser: Any) -> None:
    seen = Seen(browser, reports["digits"])
    seen.page.evaluate("""() => { const inserted = document.createElement("div");
        inserted.innerHTML = '<img src="http://127.0.0.1:9/a.png" onerror="window.harm = 1"><p style="x:y"></p>';
        const script = document.createElement("script"); script.textContent = "window.harm = 2";
        document.body.append(inserted, script); }""")
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("window.harm") is None
    assert len([word for word in seen.said if "Content Security Policy" in word]) >= 2
    seen.context.close()
