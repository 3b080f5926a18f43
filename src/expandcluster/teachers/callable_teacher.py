"""A Python function as a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expandcluster.data.inputs import plain
from expandcluster.errors import BadInput, TeacherError
from expandcluster.teachers.base import Teacher

__all__ = ["CallableTeacher", "as_rows"]


class CallableTeacher(Teacher):
    """See :meth:`Teacher.from_callable`."""

    def __init__(self, function: Callable[[np.ndarray], Any], inputs: int, outputs: int | None = None,
                 dtype: np.dtype | type | None = None, example: np.ndarray | None = None) -> None:
        if not callable(function):
            raise BadInput("teacher", got=type(function).__name__, expected="a function of an array",
                           remedy="Use Teacher.from_sklearn, from_onnx, from_torch or from_data for other things.")
        for what, count in (("inputs", inputs), ("outputs", 1 if outputs is None else outputs)):
            if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
                raise BadInput(f"{what} of the teacher", got=repr(count), expected="a positive integer",
                               remedy=f"Say how many numbers one {'input' if what == 'inputs' else 'answer'} has.")
        self.function = function
        asked = 0
        if outputs is None or dtype is None:
            first = as_rows(function(np.zeros((1, inputs)) if example is None else _one_row(example, inputs)), 1)
            asked, outputs = 1, first.shape[1] if outputs is None else outputs
            if dtype is None:
                dtype = first.dtype if first.dtype in (np.float16, np.float32) else np.float64
        name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
        super().__init__(inputs, outputs, dtype, name, asked=asked)

    def ask(self, x: np.ndarray) -> np.ndarray:
        """Calls the function."""
        return as_rows(self.function(x), len(x))


def _one_row(example: np.ndarray, inputs: int) -> np.ndarray:
    row = np.asarray(example, dtype=np.float64).reshape(1, -1)
    if row.shape[1] != inputs:
        raise BadInput("example", got=f"{row.shape[1]} numbers", expected=f"one input of {inputs} numbers",
                       remedy="Give one input that may be asked.")
    return row


def as_rows(answer: Any, samples: int) -> np.ndarray:
    """An answer as ``(samples, outputs)``; one number for each sample may come without the second axis."""
    try:
        y = plain(answer)
    except (TypeError, ValueError) as error:
        raise TeacherError("the teacher's answers", got=f"what is no array of numbers ({error})",
                           expected=f"{samples} rows of numbers",
                           remedy="Return one row of numbers for each row of the input.") from error
    if y.ndim == 1 and len(y) == samples:
        y = y[:, None]
    if y.ndim != 2 or len(y) != samples or y.shape[1] == 0:
        raise TeacherError("the teacher's answers", got=f"shape {y.shape} for {samples} inputs",
                           expected=f"shape ({samples}, outputs)",
                           remedy="Return one row of numbers for each row of the input.")
    return y
