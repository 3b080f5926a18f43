"""Networks in ONNX files: linear layers (Gemm, or MatMul and Add) and elementwise activations between them.

An activation may be one node or several (x * Sigmoid(x)): what lies between two linear layers is
evaluated on a grid and compared with the listed activations.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.export.onnx_reference import reference_evaluator
from expandcluster.export.recognise import GRID, recognise
from expandcluster.networks import Network
from expandcluster.storage import write_bytes

__all__ = ["network_from_onnx", "network_to_onnx", "read_model"]

_PASSED_OVER = ("Identity", "Cast", "Flatten", "Reshape", "Dropout")
_LINKS = {"softmax": ("Softmax",), "logistic": ("Sigmoid",)}
_FLOATS = (1, 10, 11, 16)  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16


def read_model(path: str | os.PathLike[str]) -> Any:
    """The ``onnx.ModelProto`` of a file, checked.

    Raises:
        BadInput: the file is missing, damaged, or keeps its tensors in other files.
        MissingExtra: the extra ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", "onnx") from error
    if not Path(path).is_file():
        raise BadInput(f"ONNX file {path}", got="no such file", expected="an .onnx file", remedy="Check the path.")
    try:
        model = onnx.load(str(path), load_external_data=False)
        external = [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
        if not external:
            onnx.checker.check_model(model)
    except Exception as error:
        raise BadInput(f"ONNX file {path}", got=f"a damaged or unreadable file ({type(error).__name__})",
                       expected="a complete ONNX model", remedy="Export it again.") from error
    if external:
        raise BadInput(f"ONNX file {path}", got=f"the tensor '{external[0]}' kept in another file",
                       expected="one file that holds everything", remedy="Export it without external data.")
    return model


def network_from_onnx(path: str | os.PathLike[str], *, before: str = "raw") -> Network:
    """Read a network of linear layers and elementwise activations, all of the same kind.

    Args:
        path: of the file.
        before: ``"softmax"`` or ``"logistic"`` allows that function after the last layer, and leaves it out.

    Raises:
        BadInput: the graph is anything else.
    """
    model = read_model(path)
    try:
        return _Chain(model, str(path), before).network()
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"ONNX file {path}", got=f"a graph that cannot be read ({type(error).__name__}: {error})",
                       expected="Gemm, or MatMul and Add, with elementwise activations between them",
                       remedy="Export the bare network, without what comes before and after it.") from error


class _Chain:
    """Walks a graph from its input to its output."""

    def __init__(self, model: Any, path: str, before: str) -> None:
        from onnx import numpy_helper

        self.model, self.path = model, path
        self.allowed_last = (*_PASSED_OVER, *_LINKS.get(before, ()))
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.weights: list[np.ndarray] = []
        self.biases: list[np.ndarray] = []
        self.activations: list[Activation] = []
        self.between: list[Any] = []  # nodes since the last linear layer
        self.at: str = next(i.name for i in model.graph.input if i.name not in self.constants)

    def network(self) -> Network:
        for node in self.model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = _constant(node)
            elif node.op_type == "Cast" and node.attribute[0].i not in _FLOATS:
                raise self._refuse("a Cast to what is no floating-point type")
            elif node.op_type in _PASSED_OVER and self.at == node.input[0] and not self.between:
                self.at = node.output[0]
            else:
                self._take(node)
        if any(node.op_type not in self.allowed_last for node in self.between):
            raise self._refuse(f"{self.between[-1].op_type} after the last linear layer")
        if not self.weights:
            raise self._refuse("no linear layer")
        if not self.between and self.model.graph.output[0].name != self.at:
            raise self._refuse(f"the first output '{self.model.graph.output[0].name}' before the last linear layer")
        if len({a.name for a in self.activations}) > 1:
            raise self._refuse("activations " + ", ".join(a.name for a in self.activations))
        activation = self.activations[0] if self.activations else get_activation("identity")
        return Network(tuple(self.weights), tuple(self.biases), activation)

    def _take(self, node: Any) -> None:
        attributes = {a.name: a for a in node.attribute}
        names = list(node.input)
        if node.op_type in ("Gemm", "MatMul") and names[1] in self.constants:
            self._close(names[0])
            if node.op_type == "Gemm":
                if "transA" in attributes and attributes["transA"].i:
                    raise self._refuse("a Gemm with transA")
                alpha = attributes["alpha"].f if "alpha" in attributes else 1.0
                beta = attributes["beta"].f if "beta" in attributes else 1.0
                matrix = self.constants[names[1]].astype(np.float64) * alpha
                w = matrix if "transB" in attributes and attributes["transB"].i else matrix.T
                b = self.constants[names[2]].astype(np.float64) * beta if len(names) > 2 else 0.0
            else:
                w, b = self.constants[names[1]].astype(np.float64).T, 0.0
            self.weights.append(w)
            self.biases.append(np.broadcast_to(np.asarray(b, np.float64).reshape(-1), len(w)).copy())
            self.at = node.output[0]
        elif node.op_type == "Add" and self.weights and not self.between and self._bias(names) is not None:
            self.biases[-1] = self.biases[-1] + np.asarray(self._bias(names), np.float64).reshape(-1)
            self.at = node.output[0]
        else:
            self.between.append(node)

    def _bias(self, names: list[str]) -> np.ndarray | None:
        other = [n for n in names if n != self.at]
        return self.constants.get(other[0]) if self.at in names and len(other) == 1 else None

    def _close(self, end: str) -> None:
        """What lies between the last linear layer and the tensor ``end`` is one activation."""
        if end == self.at:
            if self.weights:
                self.activations.append(get_activation("identity"))
            return
        if not self.weights:
            raise self._refuse(f"{self.between[0].op_type} before the first linear layer")
        z, values = self._evaluate(end)
        found = recognise(z, values)
        if found is None:
            raise self._refuse(f"an activation made of {', '.join(n.op_type for n in self.between)} that is not listed")
        self.activations.append(found)
        self.between = []

    def _evaluate(self, end: str) -> tuple[np.ndarray, np.ndarray]:
        """Values of the nodes in between, on a grid."""
        from onnx import TensorProto, helper, numpy_helper

        single = self.model.graph.input[0].type.tensor_type.elem_type != TensorProto.DOUBLE
        kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
        z = GRID.astype(np.float32 if single else np.float64)[None]
        used = {name for node in self.between for name in node.input}
        part = helper.make_graph(
            self.between, "activation",
            [helper.make_tensor_value_info(self.at, kind, [1, None])],
            [helper.make_tensor_value_info(end, kind, None)],
            [numpy_helper.from_array(a, n) for n, a in self.constants.items() if n in used],
        )
        evaluator = reference_evaluator(helper.make_model(part, opset_imports=self.model.opset_import))
        values = evaluator.run(None, {self.at: z})[0]
        if np.shape(values) != z.shape:
            raise self._refuse("what is not elementwise between linear layers")
        return z[0].astype(np.float64), np.asarray(values[0], np.float64)

    def _refuse(self, got: str) -> BadInput:
        return BadInput(f"ONNX file {self.path}", got=got,
                        expected="linear layers with one and the same elementwise activation between them",
                        remedy="Export the bare network with its raw outputs.")


def _constant(node: Any) -> np.ndarray:
    from onnx import numpy_helper

    attribute = node.attribute[0]
    return (numpy_helper.to_array(attribute.t) if attribute.name == "value"
            else np.asarray(attribute.f if attribute.name == "value_float" else list(attribute.floats)))


# ONNX operators of the listed activations that have one.
_OPERATORS = {"relu": "Relu", "selu": "Selu", "softplus": "Softplus", "tanh": "Tanh", "sigmoid": "Sigmoid",
              "softsign": "Softsign", "erf": "Erf", "mish": "Mish", "identity": "Identity", "gelu": "Gelu",
              "gelu_tanh": "Gelu", "leaky_relu": "LeakyRelu", "elu": "Elu"}

Formula = list[tuple[str | float, ...]]  # steps (result, operator, operands): z is the input, "" the output


def _formula(kind: str, parameter: float) -> Formula | None:
    """Activations as several nodes: those without an operator, and those whose operator has float32 constants."""
    below: Formula = [("r", "Relu", "z"), ("n", "Sub", "z", "r")]  # max(z, 0) and min(z, 0)
    expm1: Formula = [*below, ("e", "Exp", "n"), ("d", "Sub", "e", 1.0)]
    if kind == "leaky_relu":
        return [*below, ("m", "Mul", "n", parameter), ("", "Add", "r", "m")]
    if kind == "elu":
        return [*expm1, ("m", "Mul", "d", parameter), ("", "Add", "r", "m")]
    if kind == "selu":  # constants of Klambauer et al. 2017, Self-normalizing neural networks
        return [*expm1, ("m", "Mul", "d", 1.6732632423543772), ("a", "Add", "r", "m"),
                ("", "Mul", "a", 1.0507009873554805)]
    if kind == "gelu_tanh":
        return [("s", "Mul", "z", "z"), ("c", "Mul", "s", "z"), ("k", "Mul", "c", 0.044715), ("i", "Add", "z", "k"),
                ("u", "Mul", "i", float(np.sqrt(2 / np.pi))), ("t", "Tanh", "u"), ("a", "Add", "t", 1.0),
                ("h", "Mul", "z", 0.5), ("", "Mul", "h", "a")]
    if kind == "silu":
        return [("s", "Sigmoid", "z"), ("", "Mul", "z", "s")]
    if kind == "g":
        return [("f", "Mul", "z", 4.0), ("s", "Sigmoid", "f"), ("p", "Softplus", "z"), ("", "Add", "s", "p")]
    return None


def network_to_onnx(network: Network, path: str | os.PathLike[str], dtype: type = np.float64, output: str = "raw"
                    ) -> None:
    """Write a network as an ONNX model with free batch size (opset 20).

    Args:
        network: what to write; its activation must be a listed one.
        path: of the file, written atomically.
        dtype: ``numpy.float64`` or ``numpy.float32``.
        output: ``"softmax"`` or ``"logistic"`` puts that function after the last layer.

    Raises:
        BadInput: its activation cannot be written.
        MissingExtra: the extra ``onnx`` is not installed.
    """
    try:
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise MissingExtra("onnx", "onnx") from error
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes, tensors, at = [], [], "x"
    last = len(network.weights)
    for layer, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        tensors += [numpy_helper.from_array(w.astype(dtype), f"W{layer}"),
                    numpy_helper.from_array(b.astype(dtype), f"b{layer}")]
        out = f"z{layer}" if layer < last or output in _LINKS else "y"
        nodes.append(helper.make_node("Gemm", [at, f"W{layer}", f"b{layer}"], [out], transB=1))
        if layer < last:
            nodes += _activation_nodes(network.activation.name, out, f"h{layer}", np.dtype(dtype))
        at = f"h{layer}"
    nodes += [helper.make_node(operator, [out], ["y"]) for operator in _LINKS.get(output, ())]
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", kind, ["batch", network.sizes[0]])],
                              [helper.make_tensor_value_info("y", kind, ["batch", network.sizes[-1]])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    write_bytes(Path(path), model.SerializeToString())


def _activation_nodes(name: str, source: str, target: str, dtype: np.dtype) -> list[Any]:
    from onnx import helper, numpy_helper

    kind, _, parameter = name.partition("(")
    formula = _formula(kind, float(parameter[:-1] or 0.0)) if kind not in _OPERATORS or dtype == np.float64 else None
    if formula is None and kind not in _OPERATORS:
        raise BadInput("activation", got=name, expected="a listed activation",
                       remedy="Only listed activations have a form in ONNX; save the network as safetensors.")
    if formula is None:
        attributes: dict[str, Any] = {"alpha": float(parameter[:-1])} if parameter else {}
        if kind == "gelu_tanh":
            attributes = {"approximate": "tanh"}
        return [helper.make_node(_OPERATORS[kind], [source], [target], **attributes)]
    nodes = []
    for result, operator, *operands in formula:
        inputs = []
        for operand in operands:
            inputs.append(source if operand == "z" else f"{target}_{operand}")
            if isinstance(operand, float):
                inputs[-1] = f"{target}_{result}_{operand}"
                value = numpy_helper.from_array(np.array(operand, dtype))
                nodes.append(helper.make_node("Constant", [], inputs[-1:], value=value))
        nodes.append(helper.make_node(str(operator), inputs, [f"{target}_{result}" if result else target]))
    return nodes
