"""Small pieces of HTML; every text that is not :class:`Html` is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["NONE", "Html", "details", "element", "join", "number", "paragraph", "table", "text"]


NONE = "\N{EN DASH}"  # where there is no number


class Html(str):
    """Text that is HTML already."""


def text(value: object) -> Html:
    """``value`` escaped, unless it is HTML already."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def element(tag: str, *content: object, **attributes: str) -> Html:
    """``<tag attribute="...">content</tag>``; a trailing underscore in a name is dropped, others become hyphens.

    Example:
        >>> element("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    pairs = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in attributes.items())
    return Html(f"<{tag}{pairs}>{''.join(text(c) for c in content)}</{tag}>")


def join(parts: Iterable[object], separator: str = "\n") -> Html:
    """Several pieces one after the other."""
    return Html(separator.join(text(part) for part in parts))


def paragraph(*content: object) -> Html:
    """A paragraph of sentences."""
    return element("p", join(content, " "))


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]]) -> Html:
    """A table whose first column names its rows, in a region of its own that scrolls where it is too wide."""
    header = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head)))
    body = element("tbody", *(element("tr", element("th", row[0], scope="row", **_whole(row[0])),
                                      *(element("td", cell, **_whole(cell)) for cell in row[1:])) for row in rows))
    inner = element("table", element("caption", caption), header, body)
    return element("div", inner, class_="scroll", role="region", tabindex="0", aria_label=caption)


def _whole(cell: object) -> dict[str, str]:
    """Numbers and short names are not broken into lines."""
    return {"class_": "whole"} if len(str(cell)) <= 16 else {}


def details(summary: str, *content: object) -> Html:
    """Content that is shown when asked for."""
    return element("details", element("summary", summary), *content)


def number(value: float | None) -> str:
    """A loss or an error bar, two digits."""
    if value is None or value != value:
        return NONE
    return "infinite" if value in (float("inf"), float("-inf")) else f"{value:.1e}"
