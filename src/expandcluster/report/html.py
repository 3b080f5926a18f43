"""Small pieces of HTML; every text that is not :class:`Html` is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

__all__ = ["NONE", "Html", "details", "element", "join", "number", "paragraph", "plural", "table", "text"]


NONE = "\N{EN DASH}"  # where there is no number
_LONG = 13  # characters of a cell that may be broken into lines
_WHOLE = re.compile(r"\b\d[\d.]*e-\d+\b|\b\d+(?:-\d+)+\b")  # 1.0e-26, and layer sizes 64-16-10
# Control characters, half a surrogate pair, and marks that turn the direction of what follows: in a name they hide
# what it is, so they are shown as escapes.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


class Html(str):
    """Text that is HTML already."""


def text(value: object) -> Html:
    """``value`` escaped, unless it is HTML already; characters that cannot be seen are written as escapes.

    Example:
        >>> text("a<b\\x00")
        'a&lt;b\\\\x00'
    """
    if isinstance(value, Html):
        return value
    seen = _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], str(value))
    return Html(html.escape(seen, quote=True))


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


def paragraph(*content: object, class_: str | None = None) -> Html:
    """A paragraph of sentences; numbers in it are not broken into lines.

    Example:
        >>> paragraph("at most 1.0e-26")
        '<p>at most <span class="whole">1.0e-26</span></p>'
    """
    return element("p", join(map(_whole, content), " "), **({"class_": class_} if class_ else {}))


def _whole(content: object) -> Html:
    """Text that is broken into lines between its numbers only."""
    if isinstance(content, Html):
        return content
    return Html(_WHOLE.sub(r'<span class="whole">\g<0></span>', text(content)))


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, sortable: bool = False) -> Html:
    """A table whose first column names its rows, in a region of its own that scrolls where it is too wide.

    Args:
        caption: what the table shows.
        head: names of the columns.
        rows: cells; numbers and short names are not broken into lines.
        sortable: whether the page lets its reader sort the rows by any column.
    """
    header = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head)))
    body = element("tbody", *(element("tr", element("th", row[0], scope="row"),
                                      *map(_cell, row[1:])) for row in rows))
    inner = element("table", element("caption", caption), header, body, **({"class_": "sortable"} if sortable else {}))
    return element("div", inner, class_="scroll", role="region", tabindex="0", aria_label=caption)


def _cell(cell: object) -> Html:
    """Sentences are broken into lines."""
    return element("td", _whole(cell), class_="long") if len(str(cell)) > _LONG else element("td", cell)


def details(summary: str, *content: object) -> Html:
    """Content that is shown when asked for."""
    return element("details", element("summary", summary), *content)


def number(value: float | None) -> str:
    """A loss or an error bar, two digits."""
    if value is None or value != value:
        return NONE
    return "infinite" if value in (float("inf"), float("-inf")) else f"{value:.1e}"


def plural(count: int, noun: str) -> str:
    """A count and what is counted.

    Example:
        >>> plural(1, "student"), plural(1200, "student")
        ('1 student', '1,200 students')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
