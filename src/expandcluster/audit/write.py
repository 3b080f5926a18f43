"""An audit in files: rows as CSV, everything as JSON, the figure as PNG and SVG."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

from expandcluster.audit.rows import AuditRow
from expandcluster.audit.run import Audit
from expandcluster.audit.summary import headline, limits, summarise
from expandcluster.errors import MissingExtra
from expandcluster.storage import write_bytes, write_json

__all__ = ["as_json", "write_audit"]


def as_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain values, its limits included."""
    return {
        "teacher": audit.subject.teacher.name, "weights_known": audit.known, "compared_with": audit.subject.truth_from,
        "headline": headline(audit), "wrongly_called_exact": len(audit.wrong),
        "fewest_queries_that_can_determine_it": audit.least,
        "lines": [dataclasses.asdict(line) for line in summarise(audit)],
        "rows": [dataclasses.asdict(row) for row in audit.rows],
        "limits": list(limits(audit)),
    }


def write_audit(audit: Audit, out: Path) -> list[Path]:
    """Write ``audit.json``, ``audit.csv``, ``audit.png`` and ``audit.svg``, in place of those of an earlier sitting.

    Returns:
        The files; without the figure where Matplotlib is not installed.
    """
    write_json(out / "audit.json", as_json(audit))
    table = io.StringIO(newline="")
    names = [field.name for field in dataclasses.fields(AuditRow)]
    writer = csv.writer(table)
    writer.writerow(names)
    for row in audit.rows:
        writer.writerow(["-".join(map(str, value)) if isinstance(value, tuple) else value
                         for value in (getattr(row, name) for name in names)])
    write_bytes(out / "audit.csv", table.getvalue().encode())
    files = [out / "audit.json", out / "audit.csv"]
    try:
        from expandcluster.plot.audit_figures import audit_figure
        from expandcluster.plot.style import save

        ax = audit_figure(audit)
        files += [save(ax, out / "audit.png"), save(ax, out / "audit.svg")]
        from matplotlib import pyplot

        pyplot.close(ax.get_figure(root=True))
    except MissingExtra:
        pass
    return files
