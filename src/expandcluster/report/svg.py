"""Drawings of Matplotlib as ``<svg>`` elements in the colours of the page, with text for who cannot see them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from expandcluster.plot.style import COLORS, GREY, INK, ONE_COLUMN, matplotlib
from expandcluster.report.html import Html, element, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["drawing"]

_VARIABLES = {INK: "--ink", GREY: "--grey", COLORS["kept"]: "--kept", COLORS["too small"]: "--small",
              COLORS["unaligned"]: "--unaligned", "#ffffff": "--paper"}


def drawing(name: str, title: str, alt: str, draw: Callable[[Axes], Axes], *, note: str = "", data: str = "",
            ratio: float = 0.75) -> Html:
    """A ``<figure>``: its title and how to read it, the drawing, and its numbers.

    Args:
        name: of the figure on the page, unique.
        title: what it shows.
        alt: what is to be seen, for who cannot see it.
        draw: draws on the Axes that it is given.
        note: a sentence on how to read it.
        data: its numbers, as HTML.
        ratio: height over width.
    """
    caption = [element("strong", title), *([element("span", note)] if note else [])]
    svg = _svg(f"plot-{name}", title, alt, draw, ratio)
    return element("figure", element("figcaption", *caption), svg, data, id=f"figure-{name}")


def _svg(name: str, title: str, alt: str, draw: Callable[[Axes], Axes], ratio: float) -> Html:
    """The drawing without identifiers or colours that clash with the page."""
    module = matplotlib()
    figure = module.figure.Figure(figsize=(ONE_COLUMN, ratio * ONE_COLUMN), layout="constrained")
    draw(figure.subplots())
    file = io.StringIO()
    with module.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, dpi=200, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    size = re.search(r'viewBox="([^"]*)"', svg)
    head = (f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-alt" '
            f'viewBox="{size[1] if size else ""}">'
            f'<title id="{name}-title">{text(title)}</title><desc id="{name}-alt">{text(alt)}</desc>')
    svg = svg[svg.index(">") + 1 :]
    svg = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', svg).replace("xlink:href=", "href=")
    svg = svg.replace("url(#", f"url(#{name}-")
    for color, variable in _VARIABLES.items():
        svg = svg.replace(f": {color}", f": var({variable})")
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--sans)", svg)
    return Html(head + re.sub(r"\s*\n\s*", "\n", svg))
