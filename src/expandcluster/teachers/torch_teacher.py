"""A PyTorch module as a teacher."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from expandcluster.errors import BadInput, MissingExtra, TeacherError
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.callable_teacher import as_rows

__all__ = ["TorchTeacher"]


class TorchTeacher(Teacher):
    """See :meth:`Teacher.from_torch`."""

    def __init__(self, module: Any, inputs: int | None = None) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("torch", "torch") from error
        if not isinstance(module, torch.nn.Module):
            raise BadInput("PyTorch teacher", got=type(module).__name__, expected="a torch.nn.Module",
                           remedy="Use Teacher.from_callable for a function.")
        self._torch, self._module = torch, module
        parameter = next(module.parameters(), torch.zeros(0))
        self._type, self._device = parameter.dtype, parameter.device
        if inputs is None:
            linear = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
            if not linear:
                raise BadInput("PyTorch teacher", got="a module without a Linear layer", expected="a known input size",
                               remedy="Pass inputs=... .")
            inputs = linear[0].in_features
        kinds = {torch.float64: np.float64, torch.float32: np.float32, torch.bfloat16: ml_dtypes.bfloat16}
        dtype = kinds.get(self._type, np.float16)
        first = as_rows(self._answer(np.zeros((1, inputs))), 1)
        super().__init__(inputs, first.shape[1], dtype, type(module).__name__, asked=1)

    def ask(self, x: np.ndarray) -> np.ndarray:
        """The module's outputs, without gradients and in evaluation mode."""
        return as_rows(self._answer(x), len(x))

    def _answer(self, x: np.ndarray) -> np.ndarray:
        torch = self._torch
        modes = [(m, m.training) for m in self._module.modules()]  # parts may be in another mode than the whole
        self._module.eval()
        try:
            with torch.no_grad():
                y = self._module(torch.as_tensor(x, dtype=self._type, device=self._device))
        finally:
            for module, training in modes:
                module.training = training
        if not isinstance(y, torch.Tensor):
            raise TeacherError("the teacher's answers", got=type(y).__name__, expected="one tensor",
                               remedy="Wrap the module in one that returns only the outputs to be imitated.")
        return y.to(torch.float64).cpu().numpy()
