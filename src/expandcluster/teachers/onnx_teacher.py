"""An ONNX file as a teacher."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.export.onnx_file import read_model
from expandcluster.export.onnx_reference import reference_evaluator
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.callable_teacher import as_rows

__all__ = ["OnnxTeacher"]

_MOST_NUMBERS = 2**24
_TYPES = {"tensor(double)": np.float64, "tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxTeacher(Teacher):
    """See :meth:`Teacher.from_onnx`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        model = read_model(path)
        self._runner, self.runs_in = _open(model, path)
        self._input, shape, type_name = _single_input(model, path)
        if type_name not in _TYPES:
            raise BadInput(f"ONNX file {path}", got=f"an input of type {type_name}", expected="floating-point inputs",
                           remedy="Export the model with float32 or float64 inputs.")
        self._batch, self._shape = shape[0], shape[1:]
        self._type = _TYPES[type_name]
        self._output = model.graph.output[0].name
        inputs = math.prod(self._shape)
        if inputs * (self._batch or 1) > _MOST_NUMBERS:
            raise BadInput(f"ONNX file {path}",
                           got=f"inputs of {inputs} numbers in batches of {self._batch or 'any size'}",
                           expected=f"at most {_MOST_NUMBERS} numbers in a batch",
                           remedy="Export a smaller model, or one of free batch size.")
        try:
            first = self._answer(np.zeros((1, inputs)))
        except BadInput:
            raise
        except Exception as error:  # whatever an operator raises
            raise BadInput(f"ONNX file {path}", got=f"a model that fails on an input of zeros ({_short(error)})",
                           expected=f"answers to a batch of shape (batch, {', '.join(map(str, self._shape))})",
                           remedy="Run the model in the library it comes from and export it again.") from error
        super().__init__(inputs, first.shape[1], self._type, Path(path).name, asked=1,
                         fingerprint=hashlib.sha256(model.SerializeToString()).hexdigest()[:16])

    def ask(self, x: np.ndarray) -> np.ndarray:
        """The model's first output."""
        return self._answer(x)

    def _answer(self, x: np.ndarray) -> np.ndarray:
        if self._batch is None:
            return self._run(x)
        pad = -len(x) % self._batch
        padded = np.concatenate([x, np.repeat(x[:1], pad, axis=0)])
        return np.concatenate([self._run(part) for part in np.split(padded, len(padded) // self._batch)])[: len(x)]

    def _run(self, x: np.ndarray) -> np.ndarray:
        batch = x.astype(self._type).reshape(len(x), *self._shape)
        y = np.asarray(self._runner.run([self._output], {self._input: batch})[0])
        return as_rows(y.reshape(len(y), -1) if y.ndim > 2 else y, len(x))


def _open(model: Any, path: str | os.PathLike[str]) -> tuple[Any, str]:
    """onnxruntime; where it lacks a kernel for the model's types, onnx's own evaluator."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a missing kernel is not an error here
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session, "onnxruntime"
    except Exception as problem:
        try:
            return reference_evaluator(model), "onnx.reference"
        except Exception:
            raise BadInput(f"ONNX file {path}", got=f"a model that cannot be run ({_short(problem)})",
                           expected="a model that onnxruntime or onnx's reference evaluator runs",
                           remedy="Export it again with an older opset or standard operators.") from problem


def _short(error: Exception) -> str:
    """The first words of a message that may be many lines long."""
    return " ".join(str(error).split())[:160]


def _single_input(model: Any, path: str | os.PathLike[str]) -> tuple[str, tuple[Any, ...], str]:
    """Name, shape (batch first, None where it is free) and type of the one input."""
    from onnx import TensorProto

    constants = {tensor.name for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in constants]
    if len(entries) != 1 or not model.graph.output:
        raise BadInput(f"ONNX file {path}", got=f"a model of {len(entries)} inputs", expected="one input",
                       remedy="Export a model with a single input tensor.")
    tensor = entries[0].type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim]
    if len(shape) < 2 or None in shape[1:]:
        raise BadInput(f"ONNX file {path}", got=f"an input of shape {shape}",
                       expected="a shape (batch, inputs) whose sizes after the first are fixed",
                       remedy="Export the model with a fixed input size.")
    kinds = {TensorProto.DOUBLE: "tensor(double)", TensorProto.FLOAT: "tensor(float)",
             TensorProto.FLOAT16: "tensor(float16)"}
    known = {number: name for name, number in TensorProto.DataType.items()}
    kind = kinds.get(tensor.elem_type) or known.get(tensor.elem_type, str(tensor.elem_type))
    return entries[0].name, tuple(shape), kind
