"""An audit: the same model recovered again and again, over budgets, defences and seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from expandcluster.audit.attack import attack
from expandcluster.audit.defences import Defence, parse_defence
from expandcluster.audit.rows import AuditRow
from expandcluster.audit.subject import Attack, Subject
from expandcluster.errors import BadInput
from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.experiments.rows import append_row, claim_folder, read_rows
from expandcluster.export.open_network import open_network
from expandcluster.networks import Network
from expandcluster.progress import Audited, Progress, silent

__all__ = ["DEFENCES", "QUICK_DEFENCES", "Audit", "AuditOptions", "run_audit"]

DEFENCES = ("round:6", "round:4", "round:2", "noise:0.0001", "noise:0.01", "float16", "probabilities")
QUICK_DEFENCES = ("round:3", "noise:0.01", "float16", "probabilities")
_NONE = Defence()
_KEPT = 8  # recoveries after which compiled programs are given up
_END = 2.0  # times the fewest queries that can determine a model: the smallest budget chosen here


@dataclasses.dataclass(frozen=True)
class AuditOptions:
    """How much is tried.

    Attributes:
        budgets: query budgets; ``None`` for some from what a recovery without a limit asks down to twice the fewest
            that can determine the model, in equal ratios.
        steps: how many of those.
        defences: each as for :func:`parse_defence`; ``None`` for a usual choice.
        seeds: how many seeds everything is repeated with.
    """

    budgets: tuple[int, ...] | None = None
    steps: int = 4
    defences: tuple[str, ...] | None = None
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.budgets is not None and not all(type(b) is int and b >= 1 for b in self.budgets):
            raise BadInput("option budgets", got=repr(self.budgets), expected="positive integers",
                           remedy="Change this option.")
        if type(self.seeds) is not int or self.seeds < 1:
            raise BadInput("option seeds", got=repr(self.seeds), expected="a positive integer",
                           remedy="Three show how results vary.")
        for text in self.defences or ():
            parse_defence(text)

    @classmethod
    def quick(cls) -> AuditOptions:
        """Less of everything: a first look."""
        return cls(steps=3, defences=QUICK_DEFENCES, seeds=2)


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was measured.

    Attributes:
        subject: the model.
        how: what was known to the attacker.
        rows: one for each recovery.
        budgets: that were tried without a defence, smallest first; ``None``, any number, is the last.
        defences: that were tried.
        least: the fewest queries that can determine the model: parameters over outputs; ``None`` where no network is
            known.
    """

    subject: Subject
    how: Attack
    rows: tuple[AuditRow, ...]
    budgets: tuple[int | None, ...]
    defences: tuple[Defence, ...]
    least: int | None

    @property
    def known(self) -> bool:
        """Whether the model's own weights were compared with."""
        return self.subject.truth is not None

    def of(self, defence: Defence, budget: int | None = None) -> list[AuditRow]:
        """The rows of a defence and a budget."""
        return [row for row in self.rows if (row.defence, row.budget) == (defence.name, budget)]

    @property
    def wrong(self) -> list[AuditRow]:
        """Rows whose network was called exact, and is not; none, unless the recovery is at fault."""
        return [row for row in self.rows if self.known and row.exact and not _right(row)]


def run_audit(subject: Subject, how: Attack, options: AuditOptions, out: Path, progress: Progress = silent) -> Audit:
    """Recover a model without a limit, within budgets, and through defences, with every seed.

    Args:
        subject: the model, see :func:`open_subject`.
        how: what is known to the attacker; the width of a model that can be read is filled in.
        options: budgets, defences and seeds.
        out: folder of the rows and of a run folder for each recovery; what a killed audit has finished is
            not done again.
        progress: told of every recovery.

    Raises:
        BadInput: the model cannot be recovered at all, or ``out`` holds something else.
    """
    claim_folder(out, _about(subject, how))
    path = out / "rows.jsonl"
    done = {row.key: row for row in read_rows(path, AuditRow)}

    def solve(defence: Defence, budget: int | None, seed: int, known: Attack, reference: Network | None,
              planned: int) -> AuditRow:
        row = done.get((defence.name, budget, seed))
        if row is None:
            if len(done) % _KEPT == 0:
                jax.clear_caches()  # compiled programs of other sizes only take memory
            row, _ = attack(subject, defence, budget, seed, known, reference, _folder(out, defence, budget, seed))
            append_row(path, row)
            done[row.key] = row
            progress(Audited("audit", _line(row, len(done), planned), {
                "done": len(done), "planned": planned, "queries": row.queries, "seconds": row.seconds,
                **{name: value for name, value in (("parameter_error", row.parameter_error),
                                                   ("functional_error", row.functional_error)) if value is not None}}))
        return row

    freely = dataclasses.replace(how, width=None, seconds=math.inf)
    defences = _defences(options, subject)
    count = len(options.budgets) if options.budgets is not None else options.steps
    planned = options.seeds * (1 + count + len(defences))
    first = solve(_NONE, None, 0, freely, subject.truth, planned)
    network = subject.truth or _found(_folder(out, _NONE, None, 0) / "asked")
    budgets = _budgets(options, first.queries, _least(network))
    how = dataclasses.replace(how, width=max(network.hidden_sizes) if network is not None else None)
    for seed in range(1, options.seeds):
        solve(_NONE, None, seed, freely, network, planned)
    for budget in reversed(budgets):
        for seed in range(options.seeds):
            solve(_NONE, budget, seed, how, network, planned)
    for defence in defences:
        for seed in range(options.seeds):
            solve(defence, defence.limit, seed, how, network, planned)
    rows = tuple(row for row in done.values() if row.seed < options.seeds)
    return Audit(subject, how, rows, (*budgets, None), defences, _least(network))


def _defences(options: AuditOptions, subject: Subject) -> tuple[Defence, ...]:
    """Those to try; what answers with probabilities is not given another softmax."""
    chosen = [parse_defence(text) for text in (DEFENCES if options.defences is None else options.defences)]
    if not _answers_probabilities(subject):
        return tuple(chosen)
    if options.defences is None or not any(d.probabilities for d in chosen):
        return tuple(d for d in chosen if not d.probabilities)
    raise BadInput("defence", got="probabilities", expected="another one, for a model that answers with probabilities",
                   remedy="Leave it out.")


def _answers_probabilities(subject: Subject) -> bool:
    y = subject.y
    return bool(((y >= 0) & (y <= 1)).all() and (y.shape[1] == 1 or abs(y.sum(axis=1) - 1).max() < 1e-3))


def _budgets(options: AuditOptions, asked: int, least: int | None) -> tuple[int, ...]:
    """Smallest first; where they are chosen here, rounded to two digits."""
    if options.budgets is not None:
        return tuple(sorted(set(options.budgets)))
    end = min(_END * least, asked / 2) if least is not None else asked / 2**options.steps
    found = set()
    for n in range(1, options.steps + 1):
        part = asked * (end / asked) ** (n / options.steps)
        digits = 10 ** max(math.floor(math.log10(max(part, 1.0))) - 1, 0)
        found.add(max(round(part / digits) * digits, 1))
    return tuple(sorted(found))


def _found(folder: Path) -> Network | None:
    """The network of a finished run."""
    return open_network(folder) if (folder / "network.safetensors").is_file() else None


def _least(network: Network | None) -> int | None:
    return None if network is None else math.ceil(parameter_count(network.sizes) / network.sizes[-1])


def _right(row: AuditRow) -> bool:
    return row.parameter_error is not None and row.parameter_error <= row.tolerance


def _folder(out: Path, defence: Defence, budget: int | None, seed: int) -> Path:
    name = defence.name.replace(":", "-")
    return out / "runs" / f"{name},{'any' if budget is None else budget},seed={seed}"


def _about(subject: Subject, how: Attack) -> dict[str, Any]:
    """What makes an audit this one; budgets, defences and seeds may be added later."""
    teacher = subject.teacher
    return {"experiment": "audit", "version": 1, "teacher": teacher.name, "fingerprint": teacher.fingerprint,
            "inputs": teacher.inputs, "outputs": teacher.outputs, "known": subject.truth is not None,
            "domain": dataclasses.asdict(subject.domain), "scale": subject.scale,
            "activation": str(getattr(how.activation, "name", how.activation)), "hidden_layers": how.hidden_layers,
            "output": how.output, "seconds": how.seconds}


def _line(row: AuditRow, done: int, planned: int) -> str:
    parts: Sequence[str] = (
        f"{done} of {planned}: {row.defence}, {'any' if row.budget is None else format(row.budget, ',')} queries, "
        f"seed {row.seed}: {row.verdict}",
        *([f"parameter error {row.parameter_error:.1e}"] if row.parameter_error is not None else []),
        *([f"functional error {row.functional_error:.1e}"] if row.functional_error is not None else ["no network"]),
        f"{row.seconds:.1f} s")
    return ", ".join(parts)
