"""A table of inputs and answers as a teacher, and the files it is read from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.data.columns import LAYOUT
from expandcluster.data.inputs import image_shape, numbers, read_array, read_both, rows
from expandcluster.errors import BadInput
from expandcluster.teachers.base import Teacher

__all__ = ["TableTeacher", "read_table"]

_LEAST_ROWS = 10


class TableTeacher(Teacher):
    """See :meth:`Teacher.from_data`."""

    def __init__(self, x: Any, y: Any, name: str = "table") -> None:
        x, y = numbers(x, f"inputs of {name}"), numbers(y, f"outputs of {name}")
        self.image_shape = image_shape(x)
        x = rows(x, f"inputs of {name}")
        if y.ndim != 2:
            raise BadInput(f"outputs of {name}", got=f"an array of shape {y.shape}",
                           expected="rows of numbers (samples, outputs)", remedy="Flatten every answer to one row.")
        if len(x) != len(y):
            raise BadInput(name, got=f"{len(x)} rows of inputs and {len(y)} of outputs", expected="as many of each",
                           remedy="Give one row of outputs for each row of inputs.")
        if len(x) < _LEAST_ROWS:
            raise BadInput(name, got=f"{len(x)} rows", expected=f"at least {_LEAST_ROWS} rows",
                           remedy="Collect more samples: several for each parameter of the network.")
        for array, what in ((x, "inputs"), (y, "outputs")):
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if len(bad):
                raise BadInput(f"{what} of {name}", got=f"NaN or infinite values in {len(bad)} of {len(array)} rows, "
                               f"first in row {bad[0] + 1}", expected="finite numbers", remedy="Leave those rows out.")
        dtype = y.dtype if y.dtype in (np.float16, np.float32) else np.float64
        self.x, self.y = x.astype(np.float64), y.astype(np.float64)
        digest = hashlib.sha256(self.x.tobytes() + self.y.tobytes()).hexdigest()[:16]
        super().__init__(x.shape[1], y.shape[1], dtype, name, fingerprint=digest)

    def ask(self, x: np.ndarray) -> np.ndarray:
        """Tables cannot be asked.

        Raises:
            BadInput: always.
        """
        raise BadInput("table", got="a question", expected="none: a table only has the answers it holds",
                       remedy="Use a teacher that can be asked.")


def read_table(path: str | os.PathLike[str], outputs: str | os.PathLike[str] | None = None) -> TableTeacher:
    """The table of a file with arrays x and y (.npz) or columns x... and y... (.csv, .parquet), or of two files.

    Args:
        path: of the table; of its inputs alone, in any format of :func:`expandcluster.read_inputs`, where
            ``outputs`` is given.
        outputs: file of the answers, in any of those formats: an array named y, the only one, or the one that
            is named as in ``"answers.npz:logits"``.

    Raises:
        BadInput: a file is missing, damaged, or has no such columns.
        MissingExtra: the extra ``parquet`` or ``images`` is not installed.
    """
    if outputs is not None:
        name = f"{Path(path).name} + {Path(outputs).name}"
        return TableTeacher(read_array(path, "x"), read_array(outputs, "y"), name)
    path = Path(path)
    arrays = read_both(path)
    missing = [name for name in "xy" if name not in arrays]
    if missing:
        raise BadInput(f"table {path}", got=f"no {' and no '.join(missing)}",
                       expected=f"arrays x and y, or {LAYOUT}", remedy="Rename the arrays or columns.")
    return TableTeacher(arrays["x"], arrays["y"], path.name)
