"""Networks and recoveries in other libraries, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.results import Recovery
from expandcluster.teachers.links import check_output

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Exportable", "from_equinox", "from_sklearn", "from_torch", "resolve", "to_equinox", "to_sklearn",
           "to_torch"]

Exportable: TypeAlias = Network | Recovery


def to_torch(network: Exportable, *, dtype: DTypeLike = np.float64, output: str = "auto") -> Any:
    """A ``torch.nn.Sequential`` of Linear and activation modules, in evaluation mode.

    Every activation but erf and g. Its softplus switches to the identity at 40, not at PyTorch's 20, where the two
    differ by 2e-9.

    Args:
        network: a network or a recovery.
        dtype: of the parameters, float64 or float32.
        output: the function after the last layer: ``"raw"`` (none), ``"softmax"`` or ``"logistic"``; ``"auto"``: of a
            recovery what its teacher answered with, of a network none.

    Raises:
        BadInput: PyTorch has no module of this activation, or there is no network.
        MissingExtra: the extra ``torch`` is not installed.
    """
    from expandcluster.export.torch_modules import network_to_torch

    return network_to_torch(*resolve(network, dtype, output))


def from_torch(module: Any, *, before: str = "raw") -> Network:
    """The network of a ``torch.nn.Sequential`` of Linear and activation modules.

    Args:
        module: what is read.
        before: ``"softmax"`` or ``"logistic"`` allows that function after the last layer, and leaves it out.

    Raises:
        BadInput: the module is built otherwise.
        MissingExtra: the extra ``torch`` is not installed.
    """
    from expandcluster.export.torch_modules import network_from_torch

    return network_from_torch(module, before=before)


def to_sklearn(network: Exportable, *, dtype: DTypeLike = np.float64, output: str = "auto",
               classes: Sequence[Any] | None = None) -> Any:
    """A fitted ``MLPRegressor``; of probabilities a fitted ``MLPClassifier``.

    Activations relu, tanh, sigmoid and identity. Of a softmax of two outputs it has one output, their difference: that
    is scikit-learn's form of two classes. It was fitted to nothing, so its ``loss_`` is NaN.

    Args:
        network: a network or a recovery.
        dtype: of the weights, float64 or float32.
        output: ``"raw"``: an MLPRegressor. ``"softmax"``: an MLPClassifier of so many classes. ``"logistic"``: of one
            output a classifier of two classes, of several one of several labels. ``"auto"``: of a recovery what its
            teacher answered with, of a network raw.
        classes: names of the classes in the order of the outputs, sorted; 0, 1, ... where they are not given.

    Raises:
        BadInput: scikit-learn has no such activation, the classes do not fit, or there is no network.

    Example:
        >>> network = Network(([[1.0], [-1.0]], [[2.0, 0.5]]), ([0.0, 1.0], [3.0]), "relu")
        >>> to_sklearn(network).predict([[2.0], [-2.0]]).tolist()
        [7.0, 4.5]
    """
    from expandcluster.export.sklearn_models import network_to_sklearn

    return network_to_sklearn(*resolve(network, dtype, output), classes=classes)


def from_sklearn(model: Any) -> Network:
    """The network of a fitted MLPRegressor, or of an MLPClassifier up to its raw outputs.

    Raises:
        BadInput: the model is no fitted multilayer perceptron.
    """
    from expandcluster.export.sklearn_models import network_from_sklearn

    return network_from_sklearn(model)


def to_equinox(network: Exportable, *, dtype: DTypeLike = np.float64, output: str = "auto") -> Any:
    """An ``equinox.nn.Sequential`` of Linear layers and activations, from one input ``(inputs,)`` to ``(outputs,)``.

    Every activation, also one of your own. It is called on many inputs with ``jax.vmap(module)(x)``, and computes in
    float64 where JAX does (``jax.config.update("jax_enable_x64", True)``).

    Args:
        network: a network or a recovery.
        dtype: of the arrays, float64 or float32.
        output: as in :func:`to_torch`.

    Raises:
        BadInput: there is no network.
        MissingExtra: the extra ``equinox`` is not installed.
    """
    from expandcluster.export.equinox_modules import network_to_equinox

    return network_to_equinox(*resolve(network, dtype, output))


def from_equinox(module: Any, *, before: str = "raw") -> Network:
    """The network of an ``equinox.nn.MLP``, or of a Sequential of Linear layers and activations.

    Args:
        module: what is read.
        before: ``"softmax"`` or ``"logistic"`` allows that function after the last layer, and leaves it out.

    Raises:
        BadInput: the module is built otherwise.
        MissingExtra: the extra ``equinox`` is not installed.
    """
    from expandcluster.export.equinox_modules import network_from_equinox

    return network_from_equinox(module, before=before)


def resolve(source: Exportable, dtype: DTypeLike, output: str) -> tuple[Network, type, str]:
    """The network, the type and the output function that are meant.

    Raises:
        BadInput: there is no network, or one of them is none that can be exported.
    """
    check_output(output, also="auto")
    network = source.network if isinstance(source, Recovery) else source
    if not isinstance(network, Network):
        got = f"a recovery that ended in {source.verdict.name} without one" if isinstance(source, Recovery) \
            else type(source).__name__
        raise BadInput("network to export", got=got, expected="a Network, or a Recovery that has one",
                       remedy="Recover it first, or read it with open_network.")
    if output == "auto":
        output = source.output if isinstance(source, Recovery) else "raw"
    if output == "softmax" and network.sizes[-1] == 1:
        raise BadInput("output", got="softmax of one output", expected="softmax of at least two, or logistic",
                       remedy="One probability is the logistic function of one output.")
    kind = next((k for k in (np.float64, np.float32) if np.dtype(dtype) == k), None)
    if kind is None:
        raise BadInput("dtype", got=str(np.dtype(dtype)), expected="float64 or float32", remedy="Change the dtype.")
    largest = max(float(np.abs(a).max()) for a in (*network.weights, *network.biases))
    if largest > float(np.finfo(kind).max):
        raise BadInput("dtype", got=f"float32 for a weight of {largest:.1e}", expected="a type that can hold it",
                       remedy="Export in float64.")
    return network, kind, output
