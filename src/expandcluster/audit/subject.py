"""What is audited: a model, and its own weights where they can be read."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.activations import Activation
from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.export.open_network import open_network
from expandcluster.networks import Network
from expandcluster.options import QueryOptions
from expandcluster.queries.domain import EVERYWHERE, Domain
from expandcluster.queries.source import open_source
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.open_teacher import import_object, open_teacher
from expandcluster.teachers.table import TableTeacher

__all__ = ["Attack", "Subject", "open_subject"]

_TESTED = 1000  # inputs on which functions are compared


@dataclasses.dataclass(frozen=True)
class Attack:
    """What is known to whoever attacks, and how long one attack may take.

    Attributes:
        activation: of the hidden layers; names as for :func:`expandcluster.recover`.
        hidden_layers: how many, or ``"auto"``.
        output: what the undefended model answers.
        width: neurons of the widest hidden layer; ``None`` where it is not known.
        seconds: attacks that would take much longer are not tried.
    """

    activation: str | Activation
    hidden_layers: int | str
    output: str = "auto"
    width: int | None = None
    seconds: float = 300.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model under audit.

    Attributes:
        teacher: the model, undefended.
        truth: its network, up to its raw outputs; ``None`` where its weights cannot be read.
        truth_from: where the truth was read, or why it could not be.
        domain: which inputs may be asked.
        scale: standard deviation of Gaussian inputs.
        x: inputs on which functions are compared ``(samples, inputs)``; they count for no budget.
        y: the model's answers to them ``(samples, outputs)``.
    """

    teacher: Teacher
    truth: Network | None
    truth_from: str
    domain: Domain
    scale: float
    x: np.ndarray
    y: np.ndarray

    def draw(self, count: int, *seed: int) -> np.ndarray:
        """Inputs ``(count, inputs)`` that may be asked, from where a recovery draws its own."""
        return _draw(self.teacher, self.domain, self.scale, count, seed)

    def attack(self, activation: str | None, hidden_layers: int | str | None, output: str, seconds: float) -> Attack:
        """What an attacker knows of it: what is given, and of a model that can be read its activation and depth.

        Raises:
            BadInput: the activation is neither given nor read.
        """
        if activation is None and self.truth is None:
            raise BadInput("activation", got=f"none, and {self.truth_from}", expected="that of the hidden layers",
                           remedy="Give --activation (auto tries all), or the network itself with --truth.")
        if hidden_layers is None:
            hidden_layers = 1 if self.truth is None else len(self.truth.hidden_sizes)
        return Attack(self.truth.activation if activation is None and self.truth is not None else activation or "",
                      hidden_layers, output, seconds=seconds)


def open_subject(text: str, *, truth: Path | None = None, output: str = "auto", input_size: int | None = None,
                 domain: Domain = EVERYWHERE, scale: float = 1.0) -> Subject:
    """The model that ``text`` names, asked on inputs to test with.

    Args:
        text: as for :func:`expandcluster.open_teacher`.
        truth: its network, for models whose weights cannot be read from where they are asked.
        output: what it answers.
        input_size: numbers in one input of a function.
        domain: which inputs may be asked.
        scale: standard deviation of Gaussian inputs.

    Raises:
        BadInput: there is no such model, or it cannot be asked.
    """
    before = output if output in ("softmax", "logistic") else "raw"
    teacher = open_teacher(text, input_size, domain=domain, probabilities=before != "raw")
    if isinstance(teacher, TableTeacher):
        raise BadInput(f"teacher {text}", got="a table of answers", expected="a model that can be asked",
                       remedy="Defences and budgets need new answers; audit the model that the table came from.")
    network, where = _truth(text, truth, before)
    if network is not None and (network.sizes[0], network.sizes[-1]) != (teacher.inputs, teacher.outputs):
        raise BadInput("truth", got=f"a network of sizes {network.sizes}",
                       expected=f"{teacher.inputs} inputs and {teacher.outputs} outputs",
                       remedy="Give the network of this model with --truth.")
    x = _draw(teacher, domain, scale, _TESTED, (9, 9))
    y = np.concatenate([np.asarray(teacher.ask(x[i : i + teacher.batch]), np.float64)
                        for i in range(0, len(x), teacher.batch)])
    return Subject(teacher, network, where, domain, scale, x, y)


def _truth(text: str, given: Path | None, before: str) -> tuple[Network | None, str]:
    """The network behind what is asked, and where it was read, or why it could not be."""
    if given is not None:
        return open_network(given, before=before), str(given)
    suffix = Path(text).suffix.lower()
    try:
        if suffix == ".onnx" and before == "raw":
            return _of_onnx(text), text
        if suffix in (".onnx", ".safetensors"):
            return open_network(text, before=before), text
        if text.lower().startswith(("http://", "https://")):
            return None, "a server does not show its weights"
        return _of_object(import_object(text)), text
    except (ExpandClusterError, ImportError) as error:
        return None, f"its weights cannot be read as a network of this kind: {error}"


def _of_onnx(path: str) -> Network:
    """The network of an ONNX file, whatever it ends in."""
    for last in ("softmax", "logistic"):
        with contextlib.suppress(BadInput):
            return open_network(path, before=last)
    return open_network(path)


def _of_object(found: Any) -> Network:
    """The network of a scikit-learn model or a PyTorch module."""
    if any(base.__module__.startswith("torch") for base in type(found).__mro__):
        from expandcluster.export.torch_modules import network_from_torch

        return network_from_torch(found)
    from expandcluster.export.sklearn_models import network_from_sklearn

    return network_from_sklearn(found)


def _draw(teacher: Teacher, domain: Domain, scale: float, count: int, seed: tuple[int, ...]) -> np.ndarray:
    source = open_source(teacher, QueryOptions(domain=domain, scale=scale), 0)
    return source.region.nearest(source.sampler.draw(np.random.default_rng(list(seed)), count))
