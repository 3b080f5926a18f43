"""Shows the cross-references of docstrings (:class:`Event`) as code on the API pages."""

from __future__ import annotations

import re
from typing import Any

import griffe


class DocstringRoles(griffe.Extension):
    """Takes the role away, and of ``~a.b.Name`` all but the name."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            text = re.sub(r":(?:class|func|meth|attr|data|mod):`~[\w.]*?(\w+)`", r"`\1`", obj.docstring.value)
            obj.docstring.value = re.sub(r":(?:class|func|meth|attr|data|mod):`([^`]+)`", r"`\1`", text)
