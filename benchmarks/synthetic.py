"""The 150 shallow synthetic teachers: default settings, the paper's, and how easily each kind is identified.

    python -m benchmarks.synthetic [default] [paper] [lm] [--out DIR]

Each part goes on where an earlier run stopped, and its table is printed from the rows that are there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import machine

from expandcluster.experiments.rows import Row, read_rows
from expandcluster.experiments.summary import seconds_ratio, summarise
from expandcluster.experiments.synthetic import run_synthetic
from expandcluster.problems.synthetic import HIDDEN, INPUTS, SyntheticProblem, synthetic_problems
from expandcluster.progress import Event

# A third of the seeds: 0, 1 and 2 of every d and r, and seed 3 of five.
THIRD = tuple(p for p in synthetic_problems() if p.seed < 3 or (p.seed == 3 and p.hidden == 4))
FEW = tuple(p for p in synthetic_problems() if p.seed < 3)
PARTS: dict[str, tuple[tuple[SyntheticProblem, ...], tuple[float | None, ...]]] = {
    "default": (synthetic_problems(), (None,)),
    "paper": (THIRD, (4.0,)),
    "lm": (FEW, (4.0, 1.0, 2.0, 8.0)),
}


def table(rows: list[Row]) -> str:
    """A row for every d and r."""
    lines = ["| d | r | recovered | wrongly called exact | largest error | students at the floor | "
             "steps of a student | seconds, mean | slowest | queries |", "|---|---|---|---|---|---|---|---|---|---|"]
    for d in INPUTS:
        for r in HIDDEN:
            group = [row for row in rows if (row.inputs, row.hidden) == (d, r)]
            if not group:
                continue
            students = sum(row.students for row in group)
            errors = [row.max_parameter_error or 0.0 for row in group if row.recovered]
            lines.append(
                f"| {d} | {r} | {len(errors)} of {len(group)} | {sum(row.wrongly_exact for row in group)} | "
                f"{max(errors, default=float('nan')):.1e} | {sum(row.reached for row in group)} of {students} | "
                f"{sum(row.steps for row in group) / students:.0f} | "
                f"{sum(row.seconds for row in group) / len(group):.1f} | {max(row.seconds for row in group):.1f} | "
                f"{sum(row.queries for row in group) / len(group):,.0f} |")
    return "\n".join(lines)


def main(parts: tuple[str, ...] = tuple(PARTS), out: Path = Path("runs/synthetic")) -> None:
    def show(event: Event) -> None:
        print(event.message, flush=True)

    for part in parts:
        problems, rhos = PARTS[part]
        run_synthetic(problems, part, rhos, out, show)
    rows = read_rows(out / "rows.jsonl")
    for summary in summarise(rows):
        chosen = [row for row in rows if (row.settings, row.rho) == (summary.settings, summary.rho)]
        rho = "" if summary.rho is None else f", rho={summary.rho:g}"
        print(f"\n### {summary.settings}{rho}\n\n{table(chosen)}\n\n"
              f"{summary.recovered} of {summary.problems} recovered, {summary.wrongly_exact} wrongly called exact, "
              f"{summary.seconds:,.0f} s in all, {summary.seconds_per_recovered:.1f} processor seconds for each "
              "recovered teacher")
    ratio = seconds_ratio(rows, ("paper", 4.0), ("default", None))
    print("\nProcessor seconds for each recovered teacher, the paper's settings over the default ones: "
          f"{ratio:.1f}; {machine()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("runs/synthetic"))
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    main(tuple(arguments.parts or PARTS), arguments.out)
