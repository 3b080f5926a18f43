"""onnx's reference evaluator, exact in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf

__all__ = ["reference_evaluator"]


def reference_evaluator(model: Any) -> Any:
    """An ``onnx.reference.ReferenceEvaluator`` whose Erf and Gelu are exact in float64.

    onnx (1.23) rounds Erf to float32 whatever the type of its input, and expands Gelu with float32
    constants: a float64 teacher would answer with the noise of float32.

    Args:
        model: an ``onnx.ModelProto``.
    """
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class Erf(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (erf(x).astype(x.dtype),)

    class Gelu(OpRun):
        def _run(self, x: np.ndarray, approximate: str | None = None) -> tuple[np.ndarray]:
            if approximate == "tanh":
                inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
            else:
                inner = erf(x / np.sqrt(2))
            return ((0.5 * x * (1.0 + inner)).astype(x.dtype),)

    return ReferenceEvaluator(model, new_ops=[Erf, Gelu])
