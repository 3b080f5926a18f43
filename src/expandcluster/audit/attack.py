"""One recovery of an audit: a budget, a defence, a seed; and how well what it found computes the model's function."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import numpy as np
import scipy.special

from expandcluster.audit.defences import Defence, Defended
from expandcluster.audit.rows import REFUSED, STOPPED, AuditRow
from expandcluster.audit.subject import Attack, Subject
from expandcluster.compare import compare
from expandcluster.errors import BadInput, RunFolderError
from expandcluster.expand.gauss_newton import parameter_count, step_work
from expandcluster.networks import Network
from expandcluster.options import ExpandOptions, QueryOptions, RecoverOptions
from expandcluster.progress import Event, Progress, RowSpaceFound
from expandcluster.queries.noise import coarsest_type
from expandcluster.recover import recover
from expandcluster.results import Recovery
from expandcluster.teachers.base import Teacher

__all__ = ["attack", "functional_error"]

_SPEED, _STEPS, _STUDENTS = 1e10, 60, 8  # operations a second, steps and students of a wave: about, to foresee time
_FEW, _PER_PARAMETER = 600, 2.0  # samples under a budget: at most so many at least, and for each parameter
_MANY_OUTPUTS, _NARROW, _WIDE = 4, 1.25, 2.0  # students' width over the model's, as in ExpandOptions.rho


class _TooLong(Exception):
    """Foreseen in the middle of a recovery."""


def attack(subject: Subject, defence: Defence, budget: int | None, seed: int, how: Attack, reference: Network | None,
           folder: Path) -> tuple[AuditRow, Recovery | None]:
    """Recover the model through a defence within a budget, by the better of two strategies.

    Queries are asked one after another as answers come in; under a budget, they may also be drawn beforehand, all
    of them, which takes fewer where there are few inputs.

    Args:
        subject: the model.
        defence: what stands before it.
        budget: queries allowed; ``None`` for any number.
        seed: of everything.
        how: what is known to the attacker.
        reference: the network to compare parameters with; ``None`` for none.
        folder: of the runs, which go on after a kill.
    """
    budget = min((b for b in (budget, defence.limit) if b is not None), default=None)
    best = _one(subject, defence, budget, seed, how, reference, folder / "asked", "asked")
    if budget is not None and not best[0].exact and _table_affordable(subject, budget, how):
        other = _one(subject, defence, budget, seed, how, reference, folder / "table", "table")
        best = min(best, other, key=lambda found: (not found[0].exact, _or_infinite(found[0].functional_error)))
    return best


def functional_error(subject: Subject, defence: Defence, found: Recovery) -> float | None:
    """How far off the network's answers are, relative to the spread of the undefended ones.

    Where only probabilities are shown, probabilities are compared; no other step of a defence counts, since it
    does not change the function that its owner wants to keep.
    """
    if found.network is None:
        return None
    true = subject.y
    if defence.probabilities:
        true = scipy.special.softmax(true, axis=1) if true.shape[1] > 1 else scipy.special.expit(true)
    y = found.network(subject.x)
    if found.output != "raw":
        y = scipy.special.softmax(y, axis=1) if found.output == "softmax" else scipy.special.expit(y)
    spread = np.mean((true - true.mean(axis=0)) ** 2)
    return float(np.sqrt(np.mean((y - true) ** 2) / spread))


def _one(subject: Subject, defence: Defence, budget: int | None, seed: int, how: Attack, reference: Network | None,
         folder: Path, strategy: str) -> tuple[AuditRow, Recovery | None]:
    start = time.perf_counter()
    defended = Defended(subject.teacher, dataclasses.replace(defence, limit=budget), subject.y, seed)
    row = AuditRow(defence=defence.name, budget=budget, seed=seed, strategy=strategy, verdict=REFUSED,
                   hidden_sizes=None, parameter_error=None, functional_error=None, error_bar=None,
                   tolerance=_tolerance(defended, subject), queries=0, seconds=0.0)
    output = how.output
    if defence.probabilities:
        output = "softmax" if subject.teacher.outputs > 1 else "logistic"
    found = None
    teacher: Teacher = defended
    try:
        if strategy == "table":
            assert budget is not None
            x = subject.draw(budget, seed, 10)
            teacher = Teacher.from_data(x, teacher.ask(x))
        found = recover(teacher, activation=how.activation, hidden_layers=how.hidden_layers, output=output, seed=seed,
                        options=_options(subject, defence, budget, how), out=folder,
                        progress=_stop_if_too_long(subject, how))
        row = _described(row, found, subject, defence, reference)
    except _TooLong as error:
        row = dataclasses.replace(row, verdict=STOPPED, reason=str(error))
    except BadInput as error:
        if isinstance(error, RunFolderError) or (defence.name == "none" and budget is None):
            raise
        row = dataclasses.replace(row, reason=str(error))
    return dataclasses.replace(row, seconds=round(time.perf_counter() - start, 2)), found


def _described(row: AuditRow, found: Recovery, subject: Subject, defence: Defence,
               reference: Network | None) -> AuditRow:
    error = None
    if reference is not None and found.network is not None and found.network.activation == reference.activation:
        error = compare(found, reference).max_parameter_error
    bar = found.certificate.largest_error_bar if found.certificate is not None else math.nan
    return dataclasses.replace(
        row, verdict=found.verdict.name, hidden_sizes=found.hidden_sizes,
        parameter_error=error if error is not None and math.isfinite(error) else None,
        functional_error=functional_error(subject, defence, found), error_bar=bar if math.isfinite(bar) else None,
        queries=found.queries)


def _options(subject: Subject, defence: Defence, budget: int | None, how: Attack) -> RecoverOptions:
    """Under a budget, fewer samples than usual; of known width, no narrower students."""
    queries = QueryOptions(domain=subject.domain, scale=subject.scale, max_queries=budget, noisy=defence.random)
    if budget is not None:
        queries = dataclasses.replace(queries, least_samples=min(_FEW, max(20, budget // 4)),
                                      per_parameter=_PER_PARAMETER)
    expand = ExpandOptions()
    if how.width is not None:
        first = _student_width(subject, how.width)
        effort = min(expand.effort, how.seconds * _SPEED / (_STEPS * _STUDENTS))
        expand = dataclasses.replace(expand, widths=(first, 2 * first), effort=effort)
    return RecoverOptions(queries=queries, expand=expand)


def _student_width(subject: Subject, width: int) -> int:
    return max(width + 2, math.ceil(width * (_NARROW if subject.teacher.outputs >= _MANY_OUTPUTS else _WIDE)))


def _stop_if_too_long(subject: Subject, how: Attack) -> Progress:
    """A watcher that ends a recovery which has to train students on all of many inputs."""
    start = time.perf_counter()

    def watch(event: Event) -> None:
        spent = time.perf_counter() - start
        if spent > how.seconds:
            raise _TooLong(f"no end after {spent:.0f} s")
        if isinstance(event, RowSpaceFound) and event.rank is None and how.width is not None:
            foreseen = _seconds(subject, how.width, None, how)
            if foreseen > how.seconds:
                raise _TooLong(f"noise hides which inputs matter; on all {subject.teacher.inputs} it would take about "
                               f"{foreseen:.0e} s")

    return watch


def _table_affordable(subject: Subject, budget: int, how: Attack) -> bool:
    """Whether students can be trained on all inputs, and as many rows as a budget allows."""
    return how.width is not None and budget >= 20 and _seconds(subject, how.width, budget, how) <= how.seconds


def _seconds(subject: Subject, width: int, rows: int | None, how: Attack) -> float:
    """About how long a wave takes whose students are trained on all inputs."""
    layers = how.hidden_layers if isinstance(how.hidden_layers, int) else 1
    sizes = (subject.teacher.inputs, *[_student_width(subject, width)] * layers, subject.teacher.outputs)
    samples = 6 * parameter_count(sizes) // sizes[-1] if rows is None else rows
    return step_work(sizes, max(samples, 1)) * _STEPS * _STUDENTS / _SPEED


def _tolerance(teacher: Defended, subject: Subject) -> float:
    """What a verdict ``EXACT`` promises: less of a model that computes in less than float64."""
    coarse = teacher.dtype != np.float64 or coarsest_type(subject.y, np.float64) != "float64"
    return 1e-3 if coarse else 1e-8


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
