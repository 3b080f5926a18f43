"""One line for each finished problem of an experiment, in a file that a kill cannot damage.

A line is appended and synced when its problem is done. A line that was cut off while it was written is
taken away when the file is opened again, and its problem is solved again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.storage import strict, write_bytes, write_json

__all__ = ["FLOOR", "Row", "append_row", "claim_folder", "order_rows", "read_rows"]

FLOOR = 1e-26  # relative loss at which a float64 student cannot be told from its teacher


@dataclasses.dataclass(frozen=True)
class Row:
    """How one problem ended.

    Attributes:
        inputs: input dimension d.
        hidden: hidden neurons r of the teacher.
        seed: of the teacher.
        settings: which settings solved it.
        rho: overparameterisation factor; ``None`` where the width was searched for.
        students: students trained.
        losses: relative loss of each before it was pruned; ``None`` where it is not finite.
        at_floor: students that ended at the noise floor, pruned ones included.
        found: hidden neurons found; ``None`` where no network was found.
        max_parameter_error: see :class:`expandcluster.Comparison`; ``None`` where the sizes differ.
        verdict: name of the verdict.
        relative_loss: of the network on held-out inputs; ``None`` where it is not finite.
        steps: training steps of all students together, those of pruning not counted.
        seconds: wall time of all stages.
        queries: inputs asked, or rows of the table.
        processor_seconds: of all threads together; unlike ``seconds`` the same on a busy machine. ``None`` where an
            earlier version did not measure it.
    """

    inputs: int
    hidden: int
    seed: int
    settings: str
    rho: float | None
    students: int
    losses: tuple[float | None, ...]
    at_floor: int
    found: int | None
    max_parameter_error: float | None
    verdict: str
    relative_loss: float | None
    steps: int
    seconds: float
    queries: int
    processor_seconds: float | None = None

    @property
    def recovered(self) -> bool:
        """Whether the size is right and the largest parameter error at most 1e-8."""
        return self.max_parameter_error is not None and self.max_parameter_error <= 1e-8

    @property
    def wrongly_exact(self) -> bool:
        """Whether it was called exact and is not."""
        return self.verdict == "EXACT" and not self.recovered

    @property
    def reached(self) -> int:
        """Students at the floor by training alone, before anything was pruned."""
        return sum(loss is not None and loss <= FLOOR for loss in self.losses)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it this row and no other."""
        return self.settings, self.rho, self.inputs, self.hidden, self.seed


Kind = TypeVar("Kind")


def append_row(path: Path, row: Any) -> None:
    """Add a row, a dataclass; it is on the disk when this returns.

    Raises:
        ExpandClusterError: it could not be written; earlier rows are kept.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(strict(dataclasses.asdict(row)), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ExpandClusterError(f"{path} could not be written ({error.strerror}); earlier rows are kept. Free space "
                                 "and run the same command again.") from error


@overload
def read_rows(path: Path) -> tuple[Row, ...]: ...
@overload
def read_rows(path: Path, kind: type[Kind]) -> tuple[Kind, ...]: ...
def read_rows(path: Path, kind: type[Any] = Row) -> tuple[Any, ...]:
    """All whole rows of a file, none if there is no file; what was cut off at its end is taken away.

    Args:
        path: of the file.
        kind: dataclass of the rows; lists come back as tuples.

    Raises:
        BadInput: a line is no row.
    """
    if not path.exists():
        return ()
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    rows = []
    for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), start=1):
        try:
            values = json.loads(line)
            rows.append(kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadInput(f"file {path}", got=f"line {number}, which is no row ({error})",
                           expected="one row of this experiment in each line",
                           remedy="Remove that line, or choose another folder with --out.") from error
    return tuple(rows)


def order_rows(path: Path, keys: Sequence[tuple[Any, ...]]) -> tuple[Row, ...]:
    """All rows of a file, those of ``keys`` in this order, and so they are in the file from now on.

    Problems that are solved side by side are written as they end.
    """
    rows = read_rows(path)
    lines = dict(zip((row.key for row in rows), zip(rows, path.read_bytes().splitlines(keepends=True), strict=True),
                     strict=True)) if rows else {}
    ordered = iter([key for key in keys if key in lines])
    wanted = set(keys)
    order = [next(ordered) if key in wanted else key for key in lines]
    if order != list(lines):
        write_bytes(path, b"".join(lines[key][1] for key in order))
    return tuple(lines[key][0] for key in order)


def claim_folder(out: Path, about: dict[str, Any]) -> None:
    """Mark a folder as an experiment's, in ``experiment.json``; it may be there already.

    Args:
        out: made if it is not there.
        about: what makes the experiment this one; ``about["experiment"]`` is its name.

    Raises:
        BadInput: it holds something else.
    """
    mark = out / "experiment.json"
    if mark.is_file():
        if mark.read_text() != json.dumps(strict(about), indent=2) + "\n":
            raise BadInput(f"folder {out}", got="another experiment",
                           expected=f"an experiment '{about['experiment']}' of this version and these settings",
                           remedy="Choose another folder with --out.")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"folder {out}", got="a folder with other files in it", expected="an empty or new folder",
                       remedy="Choose another folder with --out.")
    else:
        write_json(mark, about)
