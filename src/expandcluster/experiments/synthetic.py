"""The paper's experiment on shallow synthetic teachers, in its own settings and in ours (section 5.1).

Four ways to solve a problem:

- ``default``: what :func:`expandcluster.recover` does by itself; the teacher is asked, its width unknown.
- ``default`` with rho: a table of N(0, I) inputs, N students of width rho r, trained by
  Levenberg-Marquardt and pruned: how easily teachers are identified.
- ``paper``: the same table and width, gradient flow and then Newton (rho = 1) or BFGS (rho > 1), all
  students clustered whatever their loss, the paper's cut, gamma and beta.
- ``lm``: as ``default`` with rho, but no student is pruned and all are clustered whatever their loss:
  wide students with neurons too many, on which clustering is tried out (ablations.py).
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax

from expandcluster.compare import compare
from expandcluster.engines.base import engine_in_use
from expandcluster.errors import BadInput
from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.experiments.rows import Row, append_row, claim_folder, order_rows, read_rows
from expandcluster.options import (
    BFGSOptions,
    ClusterOptions,
    ExpandOptions,
    GradientFlowOptions,
    LMOptions,
    NewtonOptions,
    QueryOptions,
    RecoverOptions,
    TrainerOptions,
)
from expandcluster.problems.synthetic import SyntheticProblem, synthetic_inputs
from expandcluster.progress import Event, Progress, silent
from expandcluster.recover import recover
from expandcluster.teachers.base import Teacher
from expandcluster.threads import one_thread_each

__all__ = ["SETTINGS", "options_for", "run_folder_of", "run_synthetic", "teacher_for"]

SETTINGS = ("default", "paper", "lm")
_STUDENTS = {2: 20, 4: 20, 8: 10}  # N of the paper, by the hidden neurons of the teacher
_ROWS, _PER_PARAMETER = 1000, 2.0  # rows of a table: at least, and for each parameter of a student
_FEW = 1e-6  # rows for each parameter where the number of samples is given
_GAMMA, _BETA = 0.8, math.pi / 24  # of the paper
_VERSION = 1  # of the files; another one is another experiment


def run_synthetic(problems: Sequence[SyntheticProblem], settings: str, rhos: Iterable[float | None], out: Path,
                  progress: Progress = silent, *, samples: int | None = None) -> tuple[Row, ...]:
    """Solve every problem with every rho, on the engine in use; what a killed run has finished is not done again.

    Args:
        problems: what to solve.
        settings: ``default``, ``paper`` or ``lm``.
        rhos: overparameterisation factors; ``None`` searches for the width.
        out: folder of the rows (``rows.jsonl``) and of a run folder for each problem.
        progress: told of every problem.
        samples: train on this many rows of the table instead of as many as the students need.

    Returns:
        All rows in ``out``, also those of earlier calls.

    Raises:
        BadInput: the settings do not exist, or ``out`` holds something else.
    """
    rhos = tuple(rhos)
    for rho in rhos:
        options_for(problems[0], settings, rho, samples)
    claim_folder(out, {"experiment": "synthetic", "version": _VERSION,
                       **({} if samples is None else {"samples": samples})})
    path = out / "rows.jsonl"
    rows = read_rows(path)
    done = {row.key for row in rows}
    wanted = [(rho, problem) for rho in rhos for problem in problems]
    wanted = [(rho, p) for rho, p in wanted if (settings, rho, p.inputs, p.hidden, p.seed) not in done]
    groups = [(rho, p.inputs, p.hidden) for rho, p in wanted]
    tasks = [(rho, p, i == 0 or groups[i] != groups[i - 1]) for i, (rho, p) in enumerate(wanted)]
    finished = itertools.count(1)

    def heard(place: int, row: Row) -> None:
        append_row(path, row)
        problem, rho = wanted[place][1], row.rho
        progress(Event("benchmark", f"{next(finished)} of {len(wanted)}: {problem.name} {_name(settings, rho)}: "
                       f"{row.verdict}, {row.found} neurons, error {_shown(row.max_parameter_error)}, {row.reached} of "
                       f"{row.students} students at the floor, {row.seconds:.1f} s", {"seconds": row.seconds}))

    solve = functools.partial(_solve_task, settings=settings, samples=samples, out=out.absolute())
    engine_in_use().map(solve, tasks, heard, whole=True)
    return order_rows(path, [(settings, rho, p.inputs, p.hidden, p.seed) for rho in rhos for p in problems])


def _solve_task(task: tuple[float | None, SyntheticProblem, bool], settings: str, samples: int | None, out: Path
                ) -> Row:
    rho, problem, first = task
    if first:  # of its size: compiled programs of other sizes only take memory
        jax.clear_caches()
    with one_thread_each(2):  # the same bits on machines of any number of cores
        return _solve(problem, settings, rho, samples, out)


def options_for(problem: SyntheticProblem, settings: str, rho: float | None,
                samples: int | None = None) -> RecoverOptions:
    """The options of one problem; see :func:`run_synthetic`.

    Raises:
        BadInput: there are no such settings, or no such rho or number of samples in them.
    """
    if settings not in SETTINGS:
        raise BadInput("settings", got=repr(settings), expected=" or ".join(SETTINGS), remedy="Choose one of them.")
    if samples is not None and (samples < 1 or rho is None):
        raise BadInput("samples", got=str(samples), expected="a positive integer, and a rho",
                       remedy="Where the width is searched for, as many samples are asked as students need.")
    if rho is None and settings == "default":
        return RecoverOptions()
    if rho is None or not 1 <= rho <= 64:
        raise BadInput("rho", got=str(rho), expected="a number from 1 to 64",
                       remedy="The students have rho times as many neurons as the teacher.")
    students = _STUDENTS.get(problem.hidden, 10)
    paper, default = settings == "paper", settings == "default"
    trainers: tuple[TrainerOptions, ...] = (LMOptions(),)
    cluster = ClusterOptions()
    if paper:
        trainers = (GradientFlowOptions(), NewtonOptions() if rho == 1 else BFGSOptions())
        cluster = ClusterOptions(cut="paper", gamma=_GAMMA, beta=_BETA, contribution=0.0)
    return RecoverOptions(
        queries=QueryOptions(per_parameter=_PER_PARAMETER if samples is None else _FEW, least_samples=samples or _ROWS),
        expand=ExpandOptions(students=students, enough=students, waves=0, widths=(width_of(problem, rho),),
                             prune=default, keep="floor" if default else "all", trainers=trainers),
        cluster=cluster,
    )


def width_of(problem: SyntheticProblem, rho: float) -> int:
    """Hidden neurons of a student."""
    return max(1, round(rho * problem.hidden))


def run_folder_of(out: Path, problem: SyntheticProblem, settings: str, rho: float | None) -> Path:
    """Where the run of one problem is kept, its tree and students included."""
    return out / "runs" / _name(settings, rho) / problem.name


def _solve(problem: SyntheticProblem, settings: str, rho: float | None, samples: int | None, out: Path) -> Row:
    truth = problem.teacher
    start = time.process_time()
    found = recover(teacher_for(problem, rho, samples), activation=truth.activation, hidden_layers=1, seed=problem.seed,
                    options=options_for(problem, settings, rho, samples),
                    out=run_folder_of(out, problem, settings, rho))
    error = None
    if found.network is not None and found.network.sizes == truth.sizes:
        error = compare(found.network, truth).max_parameter_error
    return Row(
        inputs=problem.inputs, hidden=problem.hidden, seed=problem.seed, settings=settings, rho=rho,
        students=len(found.losses), losses=tuple(found.losses.tolist()), at_floor=found.students_at_floor,
        found=None if found.hidden_sizes is None else found.hidden_sizes[0], max_parameter_error=error,
        verdict=found.verdict.name, relative_loss=found.relative_loss, steps=int(found.steps.sum()),
        seconds=round(found.seconds, 3), queries=found.queries,
        processor_seconds=round(time.process_time() - start, 3))


def teacher_for(problem: SyntheticProblem, rho: float | None, samples: int | None) -> Teacher:
    """The teacher itself where its width is searched for, else a table of its answers."""
    truth = problem.teacher
    if rho is None:
        return Teacher.from_network(truth)
    parameters = parameter_count((problem.inputs, width_of(problem, rho), 1))
    rows = max(_ROWS, _PER_PARAMETER * parameters) if samples is None else samples
    x = synthetic_inputs(problem, math.ceil(rows / 0.9))  # a tenth is held out
    return Teacher.from_data(x, truth(x))


def _name(settings: str, rho: float | None) -> str:
    return settings if rho is None else f"{settings}-rho{rho:g}"


def _shown(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"
