"""An audit of a 784-16-10 tanh network trained on MNIST: errors against query budget, and what each defence buys.

    python -m benchmarks.audit_mnist [FOLDER]     # an audit that was interrupted in FOLDER goes on there

Draws docs/figures/audit.svg.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, machine
from benchmarks.image_teachers import DATA, mnist, train

import expandcluster as ec
from expandcluster.audit import AuditOptions, open_subject, run_audit, summarise
from expandcluster.audit.run import Audit
from expandcluster.audit.summary import Line, Spread, headline

DEFENCES = ("round:6", "round:5", "round:3", "noise:0.0001", "noise:0.01", "float16", "probabilities")
OPTIONS = AuditOptions(budgets=(1600, 2500, 4000, 6000), defences=DEFENCES, seeds=2)
SECONDS = 300.0  # recoveries that would take much longer are not tried


def audit(folder: Path) -> Audit:
    """Train the model, and recover it under every budget and defence; finished recoveries in ``folder`` are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "mnist-16-tanh.safetensors"
    if not model.exists():
        ec.save_network(train(mnist, (16,), "tanh"), model)
    subject = open_subject(str(model))
    how = subject.attack(None, None, "raw", SECONDS)
    return run_audit(subject, how, OPTIONS, folder / "audit", _tell)


def _tell(event: ec.Event) -> None:
    print(event.message, file=sys.stderr, flush=True)


def table(lines: tuple[Line, ...]) -> str:
    """The lines of an audit as a table of Markdown."""
    head = ["| defence | verdicts | parameter error | functional error | queries |", "|---|---|---|---|---|"]
    return "\n".join(head + [
        f"| {line.what} | {', '.join(f'{name} {count}/{line.seeds}' for name, count in line.verdicts.items())} | "
        f"{_range(line.parameter_error)} | {_range(line.functional_error)} | "
        f"{'-' if line.queries is None else format(round(line.queries.median), ',')} |" for line in lines])


def _range(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.1e} ({spread.least:.0e} to {spread.most:.0e})"


def draw(result: Audit, path: Path) -> None:
    """The figure of the audit."""
    import matplotlib

    matplotlib.use("Agg")
    from expandcluster.plot import save
    from expandcluster.plot.audit_figures import audit_figure

    save(audit_figure(result), path)


def main(folder: Path | None = None) -> Audit | None:
    if not DATA.is_dir():
        print(f"no data in {DATA}; set EXPANDCLUSTER_DATA")
        return None
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        result = audit(folder or Path(temporary))
    lines = summarise(result)
    print(table(lines))
    print(f"\n{headline(result)} {result.least:,} queries are the fewest that can determine it (parameters / outputs).")
    for line in lines:
        if line.reason:
            print(f"- {line.what}: {line.reason}")
    if result.wrong:
        print(f"WRONGLY CALLED EXACT: {len(result.wrong)}", file=sys.stderr)
    draw(result, ROOT / "docs" / "figures" / "audit.svg")
    print(f"\n{len(result.rows)} recoveries, {sum(row.seconds for row in result.rows):,.0f} s "
          f"({time.perf_counter() - start:,.0f} s in this sitting); {machine()}")
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
