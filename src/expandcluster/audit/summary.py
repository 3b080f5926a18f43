"""What an audit's rows add up to, in numbers and in words, and what it does not say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from expandcluster.audit.defences import Defence
from expandcluster.audit.rows import AuditRow
from expandcluster.audit.run import Audit

__all__ = ["Line", "Spread", "headline", "limits", "summarise"]


@dataclasses.dataclass(frozen=True)
class Spread:
    """A number over seeds.

    Attributes:
        median: of those that are there.
        least: smallest.
        most: largest.
        count: how many there are.
    """

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """Of the values that are not ``None``; ``None`` if there are none."""
        there = [value for value in values if value is not None]
        return cls(float(np.median(there)), min(there), max(there), len(there)) if there else None


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table: a defence and a budget, all seeds together.

    Attributes:
        what: the defence, in words.
        defence: as it is written on the command line.
        budget: queries that were allowed; ``None`` for any number.
        seeds: how many.
        verdicts: how often each occurred, most frequent first.
        wrong: networks called exact that are not.
        parameter_error: of the networks of the right sizes.
        functional_error: of the networks found.
        queries: inputs asked, of recoveries that ended in a verdict.
        reason: why recoveries were stopped or refused.
    """

    what: str
    defence: str
    budget: int | None
    seeds: int
    verdicts: dict[str, int]
    wrong: int
    parameter_error: Spread | None
    functional_error: Spread | None
    queries: Spread | None
    reason: str


def summarise(audit: Audit) -> tuple[Line, ...]:
    """The table: no defence with any number of queries and within each budget, then each defence."""
    none = Defence()
    lines = [_line(audit, none, budget, "none" if budget is None else f"at most {budget:,} queries")
             for budget in reversed(audit.budgets)]
    return (*lines, *(_line(audit, defence, defence.limit, defence.words) for defence in audit.defences))


def _line(audit: Audit, defence: Defence, budget: int | None, what: str) -> Line:
    rows: list[AuditRow] = audit.of(defence, budget)
    wrong = audit.wrong
    return Line(
        what=what, defence=defence.name, budget=budget, seeds=len(rows),
        verdicts=dict(Counter(row.verdict for row in rows).most_common()), wrong=sum(row in wrong for row in rows),
        parameter_error=Spread.of([row.parameter_error for row in rows]),
        functional_error=Spread.of([row.functional_error for row in rows]),
        queries=Spread.of([row.queries or None for row in rows]),
        reason=next((row.reason for row in rows if row.reason), ""))


def headline(audit: Audit) -> str:
    """From how many queries on the model was public, in one sentence."""
    within = {budget: audit.of(Defence(), budget) for budget in audit.budgets}
    public = {budget: bool(rows) and all(row.exact for row in rows) for budget, rows in within.items()}
    if not any(public.values()):
        return "Undefended, the model was not recovered exactly with every seed, at any budget tried."
    budgets = list(audit.budgets)
    first = next(i for i in range(len(budgets)) if all(public[b] for b in budgets[i:] if public[None]) and
                 public[budgets[i]])
    least, used = budgets[first], max(row.queries for row in within[None])
    said = (f"Undefended, every seed recovered the model exactly, with {used:,} queries" if least is None else
            f"Undefended, every seed recovered the model exactly from {least:,} queries on")
    below = budgets[first - 1] if first > 0 else None
    return said + (f"; at {below:,} not all did." if below is not None else
                   "; fewer were not tried." if least is not None else ".")


def limits(audit: Audit) -> tuple[str, ...]:
    """What the numbers do not say, a sentence or two each."""
    knows = "the activation and the number of hidden layers" + (
        ", and under a budget or a defence about how wide they are" if audit.least is not None else "")
    compared = (
        f"Parameter errors are distances to the model's own weights ({audit.subject.truth_from})." if audit.known else
        "The model's own weights are not known (" + audit.subject.truth_from + "). Parameter errors are distances to "
        "the network recovered without a limit with seed 0: they say how far recoveries agree with each other, not how "
        "far any of them is from the model. Functional errors are measured on the model itself.")
    return (
        compared,
        "These are results of one attack, Expand-and-Cluster as it is in this package. Where it fails, another may "
        "succeed: a failure here is no proof that a defence or a limit protects. A success is a proof that it does "
        "not.",
        f"The attacker is taken to know {knows}, and to ask any input it likes where the domain allows it. One who "
        "knows less needs more; one who knows the training data may need less.",
        "A copy need not be exact to be of use: read the functional error as well. It is measured on "
        f"{len(audit.subject.x):,} inputs drawn as queries are, undefended and counted for no budget; on other inputs "
        "it may be larger or smaller.",
        f"Medians and ranges are over {max(row.seed for row in audit.rows) + 1} seeds of one model: they show how the "
        "attack varies, not how models do.",
    )
