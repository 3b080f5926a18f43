"""One line for each recovery of an audit."""

from __future__ import annotations

import dataclasses

__all__ = ["REFUSED", "STOPPED", "AuditRow"]

STOPPED, REFUSED = "STOPPED", "REFUSED"  # besides the verdicts of recoveries


@dataclasses.dataclass(frozen=True)
class AuditRow:
    """How one recovery ended.

    Attributes:
        defence: what stood before the teacher, as it is written on the command line; ``none`` for nothing.
        budget: queries that were allowed; ``None`` for any number.
        seed: of queries, students and noise.
        strategy: ``asked`` where every query followed from answers before, ``table`` where all were drawn beforehand.
        verdict: name of the recovery's verdict; ``STOPPED`` where it would have taken too long, ``REFUSED`` where the
            answers cannot be used at all.
        hidden_sizes: of the network found; ``None`` where there is none.
        parameter_error: of the network found, see :class:`expandcluster.Comparison`; ``None`` where there is none,
            its sizes are wrong, or nothing to compare with is known.
        functional_error: root mean square of what its answers are off, over the standard deviation of the
            undefended answers, on inputs that were asked for this alone; ``None`` where there is no network.
        error_bar: its own largest error bar, relative to the largest parameter.
        tolerance: parameter error up to which the verdict ``EXACT`` is right.
        queries: inputs asked.
        seconds: wall time.
        reason: why it was stopped or refused.
    """

    defence: str
    budget: int | None
    seed: int
    strategy: str
    verdict: str
    hidden_sizes: tuple[int, ...] | None
    parameter_error: float | None
    functional_error: float | None
    error_bar: float | None
    tolerance: float
    queries: int
    seconds: float
    reason: str = ""

    @property
    def key(self) -> tuple[str, int | None, int]:
        """What makes it this row and no other."""
        return self.defence, self.budget, self.seed

    @property
    def exact(self) -> bool:
        """Whether the recovery called its network exact."""
        return self.verdict == "EXACT"
