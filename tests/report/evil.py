"""Words from outside that try to be more than words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

__all__ = ["EVIL", "evil_copy"]

EVIL = ("</title></script><script>window.harm=1</script><img src=x onerror=window.harm=1>\"'`&lt;{{7*7}}${title}"
        "]]>--><svg onload=window.harm=1>")


def evil_copy(run: Path, to: Path) -> None:
    """A run folder whose run.json has hostile text wherever it may have any."""
    shutil.copytree(run, to)
    about = json.loads((to / "run.json").read_text())
    about["run"].update(teacher=EVIL, dtype=EVIL, activation=EVIL, asked_inputs=EVIL)
    about["run"]["options"] = _spoiled(about["run"]["options"])
    about["versions"] = {EVIL: EVIL, **{name: EVIL for name in about["versions"]}}
    about["machine"] = EVIL
    (to / "run.json").write_text(json.dumps(about))


def _spoiled(options: dict[str, Any]) -> dict[str, Any]:
    """Numbers that a report computes with stay."""
    return {EVIL: EVIL, **{name: {**values, EVIL: EVIL} if isinstance(values, dict) else values
                           for name, values in options.items()}}
