"""What the rows of an experiment add up to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from expandcluster.experiments.rows import Row

__all__ = ["Summary", "seconds_ratio", "summarise"]


@dataclasses.dataclass(frozen=True)
class Summary:
    """One way of solving, over its problems.

    Attributes:
        settings: ``default``, ``paper`` or ``lm``.
        rho: overparameterisation factor; ``None`` where the width was searched for.
        problems: how many were solved.
        recovered: how many of them have the right size and a largest parameter error of at most 1e-8.
        wrongly_exact: how many were called exact and are not.
        reached: share of the students that training alone brought to the floor.
        worst_error: largest parameter error among those recovered; 0 where none was.
        seconds: of all problems together.
        slowest: seconds of the slowest.
        processor_seconds: of all problems together; NaN where it was not measured for one.
    """

    settings: str
    rho: float | None
    problems: int
    recovered: int
    wrongly_exact: int
    reached: float
    worst_error: float
    seconds: float
    slowest: float
    processor_seconds: float

    @property
    def seconds_per_recovered(self) -> float:
        """Processor seconds of all problems for each teacher recovered; infinite where none was."""
        return self.processor_seconds / self.recovered if self.recovered else math.inf


def summarise(rows: Sequence[Row]) -> tuple[Summary, ...]:
    """One summary for each settings and rho, in that order."""
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.settings, row.rho), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or 0.0))
    return tuple(_one(settings, rho, group) for (settings, rho), group in ordered)


def seconds_ratio(rows: Sequence[Row], slow: tuple[str, float | None], fast: tuple[str, float | None]) -> float:
    """Processor seconds per recovered teacher of ``slow`` over those of ``fast``, on problems that both have solved.

    Returns:
        NaN where ``fast`` recovered none of them or no problem is in both; infinite where only ``slow`` recovered none.
    """
    at = {way: {(r.inputs, r.hidden, r.seed): r for r in rows if (r.settings, r.rho) == way} for way in (slow, fast)}
    both = sorted(at[slow].keys() & at[fast].keys())
    cost = {way: _one(*way, [at[way][key] for key in both]).seconds_per_recovered if both else math.inf
            for way in (slow, fast)}
    return cost[slow] / cost[fast] if math.isfinite(cost[fast]) and cost[fast] > 0 else math.nan


def _one(settings: str, rho: float | None, rows: Sequence[Row]) -> Summary:
    students = sum(row.students for row in rows)
    return Summary(
        settings=settings, rho=rho, problems=len(rows), recovered=sum(row.recovered for row in rows),
        wrongly_exact=sum(row.wrongly_exact for row in rows),
        reached=sum(row.reached for row in rows) / students if students else 0.0,
        worst_error=max((row.max_parameter_error or 0.0 for row in rows if row.recovered), default=0.0),
        seconds=sum(row.seconds for row in rows), slowest=max(row.seconds for row in rows),
        processor_seconds=sum(math.nan if row.processor_seconds is None else row.processor_seconds for row in rows))
