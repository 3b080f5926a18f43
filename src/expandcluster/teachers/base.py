"""The protocol of every teacher: inputs, outputs, dtype, ask(batch)."""

from __future__ import annotations

import abc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from expandcluster.networks import Network
    from expandcluster.teachers.http_teacher import HttpOptions

__all__ = ["Teacher"]


class Teacher(abc.ABC):
    """A function that answers batches of inputs.

    Attributes:
        inputs: numbers in one input.
        outputs: numbers in one answer.
        dtype: the floating-point type it computes in.
        name: what it is called in messages and in the run folder.
        fingerprint: changes when the teacher does, as far as that can be known without asking it.
        asked: inputs it was asked to learn how many outputs it has.
        output: what its answers are, where that is known without asking: ``"raw"``, ``"softmax"`` or
            ``"logistic"``; else ``None``.
        batch: inputs it likes to be asked at once; what is answered is stored after each such batch.
        image_shape: of one input, where inputs are known to be images; see :class:`expandcluster.Inputs`.
    """

    batch: int = 4096
    output: str | None = None
    image_shape: tuple[int, ...] | None = None

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype | type, name: str, *, fingerprint: str = "",
                 asked: int = 0) -> None:
        self.inputs, self.outputs, self.dtype = int(inputs), int(outputs), np.dtype(dtype)
        self.name, self.fingerprint, self.asked = name, fingerprint, asked

    @abc.abstractmethod
    def ask(self, x: np.ndarray) -> np.ndarray:
        """Answers ``(samples, outputs)`` to inputs ``(samples, inputs)``."""

    @staticmethod
    def from_callable(function: Callable[[np.ndarray], Any], inputs: int, *, outputs: int | None = None,
                      dtype: np.dtype | type | None = None, example: np.ndarray | None = None) -> Teacher:
        """A Python function from ``(samples, inputs)`` to ``(samples, outputs)``.

        Args:
            function: is called with float64 arrays.
            inputs: numbers in one input.
            outputs: numbers in one answer; asked with one input where it is not given.
            dtype: type it computes in; that of its answers where it is not given.
            example: an input ``(inputs,)`` that may be asked, for where zeros may not.

        Raises:
            TeacherError: its answers are no rows of numbers.

        Example:
            >>> teacher = Teacher.from_callable(lambda x: np.tanh(x[:, :1] - x[:, 1:]), inputs=2)
            >>> teacher.outputs
            1
        """
        from expandcluster.teachers.callable_teacher import CallableTeacher

        return CallableTeacher(function, inputs, outputs, dtype, example)

    @staticmethod
    def from_data(x: np.ndarray, y: np.ndarray) -> Teacher:
        """A table: inputs ``(samples, inputs)`` and answers ``(samples, outputs)``; nothing can be asked.

        Inputs may be images ``(samples, rows, columns)``, or of three colours with these first or last; their
        bytes become numbers from 0 to 1. See :func:`expandcluster.read_inputs` for files of them.

        Raises:
            BadInput: the table is too small, ragged, or holds values that are not finite.

        Example:
            >>> x = np.random.default_rng(0).normal(size=(50, 3))
            >>> Teacher.from_data(x, np.tanh(x[:, :1])).outputs
            1
        """
        from expandcluster.teachers.table import TableTeacher

        return TableTeacher(x, y)

    @staticmethod
    def from_http(url: str, model: str | None = None, options: HttpOptions | None = None) -> Teacher:
        """A model behind an inference server that speaks the Open Inference Protocol v2 over REST.

        Sizes and datatypes come from the server's metadata of the model, which costs no query.

        Args:
            url: ``http://host:port/v2/models/NAME`` or ``.../NAME/versions/V``; the address of the
                server if ``model`` is given. User, password and query string appear in no name.
            model: name of the model.
            options: batches, pace, repeats and key; see
                :class:`~expandcluster.teachers.http_teacher.HttpOptions`.

        Raises:
            BadInput: the address is none, or the key is missing.
            TeacherError: the server does not answer, refuses, or serves no such model.
            MissingExtra: the extra ``http`` is not installed.
        """
        from expandcluster.teachers.http_teacher import HttpTeacher

        return HttpTeacher(url, model, options)

    @staticmethod
    def from_network(network: Network) -> Teacher:
        """A network of ours, asked in float64.

        Example:
            >>> from expandcluster.problems.synthetic import synthetic_teacher
            >>> Teacher.from_network(synthetic_teacher(8, 4, 0)).ask(np.zeros((2, 8))).shape
            (2, 1)
        """
        from expandcluster.teachers.network_teacher import NetworkTeacher

        return NetworkTeacher(network)

    @staticmethod
    def from_onnx(path: str | os.PathLike[str]) -> Teacher:
        """An ONNX file, run by onnxruntime, or by onnx's reference evaluator where a kernel is missing.

        Raises:
            BadInput: the file cannot be read or has no usable input.
            MissingExtra: the extra ``onnx`` is not installed.
        """
        from expandcluster.teachers.onnx_teacher import OnnxTeacher

        return OnnxTeacher(path)

    @staticmethod
    def from_sklearn(model: Any, *, probabilities: bool = False) -> Teacher:
        """A fitted scikit-learn regressor, asked by ``predict``; an MLPClassifier gives its raw outputs.

        Args:
            model: what is asked.
            probabilities: ask a classifier's ``predict_proba`` instead. An MLPClassifier of two classes
                then answers with the probability of the second one alone, the logistic function of
                its single output; of several classes, with the softmax of its outputs.

        Raises:
            BadInput: the model is not fitted, or answers with labels only.

        Example:
            >>> from sklearn.linear_model import LinearRegression
            >>> x = np.random.default_rng(0).normal(size=(50, 3))
            >>> Teacher.from_sklearn(LinearRegression().fit(x, x[:, :2])).outputs
            2
        """
        from expandcluster.teachers.sklearn_teacher import SklearnTeacher

        return SklearnTeacher(model, probabilities=probabilities)

    @staticmethod
    def from_torch(module: Any, inputs: int | None = None) -> Teacher:
        """A PyTorch module, asked in evaluation mode and in its own dtype.

        Args:
            module: a ``torch.nn.Module`` from ``(samples, inputs)`` to ``(samples, outputs)``.
            inputs: numbers in one input; those of its first linear layer where it is not given.

        Raises:
            BadInput: its inputs cannot be told.
            MissingExtra: the extra ``torch`` is not installed.
        """
        from expandcluster.teachers.torch_teacher import TorchTeacher

        return TorchTeacher(module, inputs)
