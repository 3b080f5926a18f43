"""Networks written to files and read from files and other libraries are the same networks."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tests.problems import random_teacher

from expandcluster.activations import activation_names, get_activation
from expandcluster.errors import BadInput, ExpandClusterError
from expandcluster.export import load_network, open_network, save_network
from expandcluster.export.onnx_file import network_from_onnx, network_to_onnx
from expandcluster.export.sklearn_models import network_from_sklearn
from expandcluster.export.torch_modules import network_from_torch
from expandcluster.networks import Network
from expandcluster.storage import write_arrays
from expandcluster.teachers import Teacher

ACTIVATIONS = [*activation_names(), "leaky_relu(0.07)", "leaky_relu(-0.3)", "elu(0.7)", "elu(1.3)"]
X = 2.0 * np.random.default_rng(0).normal(size=(60, 3))


def _same(one: Network, other: Network) -> None:
    assert one.activation == other.activation and one.sizes == other.sizes
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.sampled_from(ACTIVATIONS), st.integers(0, 1000))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_safetensors_give_the_same_network(sizes: list[int], activation: str, seed: int) -> None:
    network = random_teacher(tuple(sizes), activation, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save_network(network, path)
        _same(load_network(path), network)
        _same(open_network(path), network)
        os.replace(path, Path(folder) / "network.safetensors")
        _same(open_network(folder), network)  # a run folder
        assert [p.name for p in Path(folder).iterdir()] == ["network.safetensors"]


def test_networks_of_other_activations_are_read_with_their_function(tmp_path: Path) -> None:
    network = random_teacher((3, 2, 1), get_activation(jnp.sin), 0)  # type: ignore[arg-type]
    save_network(network, tmp_path / "net.safetensors")
    _same(load_network(tmp_path / "net.safetensors", network.activation), network)
    with pytest.raises(BadInput, match=r"activation: got .*; expected one of"):
        load_network(tmp_path / "net.safetensors")


@pytest.mark.parametrize("change, message", [
    ({"format": "another"}, r"format another.*; expected a network written by expandcluster.*save_network"),
    ({"network": "{"}, r"; expected a network written by expandcluster"),
    ({"network": "[]"}, r"; expected a network written by expandcluster"),
    ({"network": "[" * 100_000}, r"; expected a network written by expandcluster"),
    ({"network": "{}"}, r"activation.*; expected a network written by expandcluster"),
    ({"network": json.dumps({"activation": "no"})}, r"activation: got 'no'"),
])
def test_headers_that_do_not_fit_are_refused(change: dict[str, str], message: str, tmp_path: Path) -> None:
    arrays = {"W1": np.ones((1, 1)), "b1": np.ones(1)}
    header = {"format": "expandcluster network 1", "network": json.dumps({"activation": "tanh"})}
    write_arrays(tmp_path / "net.safetensors", arrays, header)
    assert load_network(tmp_path / "net.safetensors").sizes == (1, 1)
    write_arrays(tmp_path / "net.safetensors", arrays, {**header, **change})
    with pytest.raises(BadInput, match=message):
        load_network(tmp_path / "net.safetensors")


@pytest.mark.parametrize("arrays", [
    {}, {"W1": np.ones((1, 1))}, {"W1": np.ones((1, 1)), "b2": np.ones(1)}, {"W1": np.ones(1), "b1": np.ones(1)},
    {"W1": np.ones((1, 1)), "b1": np.full(1, np.nan)},
])
def test_arrays_that_are_no_network_are_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_arrays(tmp_path / "net.safetensors", arrays,
                 {"format": "expandcluster network 1", "network": json.dumps({"activation": "tanh"})})
    with pytest.raises(BadInput, match=r"got .*; expected .*"):
        load_network(tmp_path / "net.safetensors")


def test_open_network_says_what_it_can_open(tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(BadInput, match=r"got a file ending in '.txt'; expected .safetensors, .onnx or a run folder"):
        open_network(tmp_path / "net.txt")
    with pytest.raises(BadInput, match=r"got no network.safetensors in it; expected a finished run.*recover"):
        open_network(tmp_path)
    with pytest.raises(BadInput, match=r"got no such file"):
        open_network(tmp_path / "nothing")
    network = random_teacher((3, 2, 1), "tanh", 0)
    network_to_onnx(network, tmp_path / "net.ONNX")
    _same(open_network(tmp_path / "net.ONNX"), network)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_gives_the_same_network(activation: str, tmp_path: Path) -> None:
    network = random_teacher((3, 4, 5, 2), activation, 0)
    network_to_onnx(network, tmp_path / "net.onnx")
    _same(network_from_onnx(tmp_path / "net.onnx"), network)
    teacher = Teacher.from_onnx(tmp_path / "net.onnx")
    assert teacher.dtype == np.float64
    np.testing.assert_allclose(teacher.ask(X), network(X), rtol=0, atol=1e-12)
    network_to_onnx(network, tmp_path / "single.onnx", np.float32)
    single = network_from_onnx(tmp_path / "single.onnx")
    assert single.activation == network.activation and single.sizes == network.sizes
    for a, b in zip((*single.weights, *single.biases), (*network.weights, *network.biases), strict=True):
        np.testing.assert_array_equal(a, b.astype(np.float32))
    teacher = Teacher.from_onnx(tmp_path / "single.onnx")
    assert teacher.dtype == np.float32
    np.testing.assert_allclose(teacher.ask(X), network(X), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("sizes", [(3, 2), (1, 1), (3, 1, 1, 1, 2)])
def test_onnx_of_other_depths(sizes: tuple[int, ...], tmp_path: Path) -> None:
    network = random_teacher(sizes, "tanh" if len(sizes) > 2 else "identity", 0)
    network_to_onnx(network, tmp_path / "net.onnx")
    _same(network_from_onnx(tmp_path / "net.onnx"), network)


def test_activations_without_a_name_have_no_form_in_onnx(tmp_path: Path) -> None:
    network = random_teacher((3, 2, 1), get_activation(jnp.sin), 0)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"activation: got sin; expected a listed activation.*safetensors"):
        network_to_onnx(network, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


W1, B1 = np.random.default_rng(1).normal(size=(4, 3)), np.random.default_rng(2).normal(size=4)
W2, B2 = np.random.default_rng(3).normal(size=(2, 4)), np.random.default_rng(4).normal(size=2)
CONSTANTS = {"W1": W1, "b1": B1, "W2": W2, "b2": B2, "W1t": W1.T, "W2t": W2.T, "half": np.array(0.5),
             "one": np.array(1.0), "root": np.array(np.sqrt(2)), "k": np.array(0.044715),
             "c": np.array(np.sqrt(2 / np.pi)), "three": np.array(3.0), "neg": np.array(-1.0), "B1": B1[None],
             "kernel": np.ones((1, 1, 3, 1)), "W2a": W2 / 2, "W22": np.ones((4, 4)), "zero": np.array(0.0)}
Step = tuple[str, str, str] | tuple[str, str, str, dict[str, Any]]


def _graph(path: Path, steps: list[Step], dtype: type = np.float64, output: str = "y") -> Path:
    """A model from steps (operator, operands, result, attributes)."""
    nodes = [helper.make_node(step[0], step[1].split(), [step[2]], **(step[3] if len(step) > 3 else {}))
             for step in steps]
    used = set(" ".join(step[1] for step in steps).split())
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, ["n", 3])],
                              [helper.make_tensor_value_info(output, kind, ["n", None])],
                              [numpy_helper.from_array(a.astype(dtype), n) for n, a in CONSTANTS.items() if n in used])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


FIRST: list[Step] = [("MatMul", "x W1t", "m"), ("Add", "m b1", "z")]
LAST: list[Step] = [("Gemm", "h W2 b2", "y", {"transB": 1})]
BETWEEN: dict[str, tuple[str, list[Step]]] = {
    "Tanh": ("tanh", [("Tanh", "z", "h")]),
    "x Sigmoid(x)": ("silu", [("Sigmoid", "z", "s"), ("Mul", "z s", "h")]),
    "Sigmoid(x) x": ("silu", [("Sigmoid", "z", "s"), ("Mul", "s z", "h")]),
    "GELU by Erf": ("gelu", [("Div", "z root", "d"), ("Erf", "d", "e"), ("Add", "e one", "a"), ("Mul", "z a", "p"),
                             ("Mul", "p half", "h")]),
    "GELU by Tanh": ("gelu_tanh", [("Pow", "z three", "c3"), ("Mul", "c3 k", "kc"), ("Add", "z kc", "i"),
                                   ("Mul", "i c", "u"), ("Tanh", "u", "t"), ("Add", "t one", "a"),
                                   ("Mul", "z half", "q"), ("Mul", "q a", "h")]),
    "Gelu": ("gelu", [("Gelu", "z", "h")]),
    "x Tanh(Softplus(x))": ("mish", [("Softplus", "z", "s"), ("Tanh", "s", "t"), ("Mul", "z t", "h")]),
    "1 / (1 + Exp(-x))": ("sigmoid", [("Neg", "z", "n"), ("Exp", "n", "e"), ("Add", "e one", "a"),
                                      ("Reciprocal", "a", "h")]),
    "Max(x, 0)": ("relu", [("Max", "z zero", "h")]),
    "Identity": ("identity", [("Identity", "z", "h")]),
    "LeakyRelu": (f"leaky_relu({float(np.float32(0.1))!r})", [("LeakyRelu", "z", "h", {"alpha": 0.1})]),
    "Elu": (f"elu({float(np.float32(0.6))!r})", [("Elu", "z", "h", {"alpha": 0.6})]),
    "Dropout afterwards": ("relu", [("Relu", "z", "r"), ("Dropout", "r", "h")]),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_graphs_by_hand_in_float64(case: str, tmp_path: Path) -> None:
    name, between = BETWEEN[case]
    path = _graph(tmp_path / "g.onnx", [*FIRST, *between, *LAST])
    network = network_from_onnx(path)
    kind, _, parameter = name.partition("(")
    found, _, value = network.activation.name.partition("(")
    assert found == kind
    if parameter:  # up to the rounding of the exponential it was found from
        assert float(value[:-1]) == pytest.approx(float(parameter[:-1]), rel=1e-14)
    np.testing.assert_array_equal(network.weights[0], W1)
    np.testing.assert_array_equal(network.biases[1], B2)
    np.testing.assert_allclose(Teacher.from_onnx(path).ask(X), network(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", BETWEEN)
def test_graphs_by_hand_in_float32(case: str, tmp_path: Path) -> None:
    path = _graph(tmp_path / "g.onnx", [*FIRST, *BETWEEN[case][1], *LAST], np.float32)
    network = network_from_onnx(path)
    assert network.activation.name.partition("(")[0] == BETWEEN[case][0].partition("(")[0]
    np.testing.assert_allclose(Teacher.from_onnx(path).ask(X), network(X), rtol=1e-4, atol=1e-4)


LINEAR: dict[str, list[Step]] = {
    "Gemm, not transposed": [("Gemm", "x W1t b1", "z")],
    "Gemm without a bias, then Add": [("Gemm", "x W1t", "m"), ("Add", "b1 m", "z")],
    "MatMul and a bias with a first axis": [("MatMul", "x W1t", "m"), ("Add", "m B1", "z")],
    "two biases": [("Gemm", "x W1t b1", "m"), ("Add", "m b1", "z")],
    "no bias": [("MatMul", "x W1t", "z")],
    "scaled": [("Gemm", "x W1t b1", "z", {"alpha": 0.5, "beta": 2.0})],
    "passed over": [("Flatten", "x", "f"), ("Identity", "f", "i"), ("MatMul", "i W1t", "m"), ("Add", "m b1", "z")],
}


@pytest.mark.parametrize("case", LINEAR)
def test_linear_layers_in_every_form(case: str, tmp_path: Path) -> None:
    path = _graph(tmp_path / "g.onnx", [*LINEAR[case], ("Tanh", "z", "h"), *LAST, ("Identity", "y", "out")],
                  output="out")
    network = network_from_onnx(path)
    assert network.sizes == (3, 4, 2) and network.activation.name == "tanh"
    np.testing.assert_allclose(Teacher.from_onnx(path).ask(X), network(X), rtol=0, atol=1e-12)


def test_weights_may_be_constant_nodes(tmp_path: Path) -> None:
    path = _graph(tmp_path / "g.onnx", [*FIRST, ("Tanh", "z", "h"), *LAST])
    model = onnx.load(path)
    for i, tensor in enumerate(model.graph.initializer):
        model.graph.node.insert(i, helper.make_node("Constant", [], [tensor.name], value=tensor))
    del model.graph.initializer[:]
    onnx.save(model, path)
    network = network_from_onnx(path)
    np.testing.assert_allclose(Teacher.from_onnx(path).ask(X), network(X), rtol=0, atol=1e-12)


REFUSED: dict[str, tuple[list[Step], str, str]] = {
    "two activations": ([*FIRST, ("Tanh", "z", "h"), ("Gemm", "h W22", "z2"), ("Relu", "z2", "h2"),
                         ("Gemm", "h2 W2", "y", {"transB": 1})], "y", r"got activations tanh, relu; expected .*same"),
    "a layer without an activation": ([*FIRST, ("Tanh", "z", "h"), ("Gemm", "h W22", "h2"),
                                       ("Gemm", "h2 W2", "y", {"transB": 1})], "y", r"got activations tanh, identity"),
    "softmax at the end": ([*FIRST, ("Tanh", "z", "h"), *LAST, ("Softmax", "y", "p")], "p",
                           r"got Softmax after the last linear layer; expected .*raw outputs"),
    "tanh at the end": ([*FIRST, ("Tanh", "z", "h"), *LAST, ("Tanh", "y", "p")], "p", r"got Tanh after the last"),
    "softmax between": ([*FIRST, ("Softmax", "z", "h"), *LAST], "y", r"made of Softmax that is not listed"),
    "not listed": ([*FIRST, ("Sin", "z", "h"), *LAST], "y", r"got an activation made of Sin that is not listed"),
    "scaled tanh": ([*FIRST, ("Tanh", "z", "t"), ("Mul", "t half", "h"), *LAST], "y",
                    r"got an activation made of Tanh, Mul that is not listed"),
    "bias after the activation": ([*FIRST, ("Tanh", "z", "t"), ("Add", "t one", "h"), *LAST], "y", r"not listed"),
    "activation first": ([("Tanh", "x", "t"), ("Gemm", "t W1t b1", "y")], "y",
                         r"got Tanh before the first linear layer; expected"),
    "no layer": ([("Identity", "x", "y")], "y", r"got no linear layer; expected"),
    "transA": ([("Gemm", "x W1t", "y", {"transA": 1})], "y", r"got a Gemm with transA; expected"),
    "residual": ([*FIRST, ("Tanh", "z", "t"), ("Gemm", "t W22", "z2"), ("Add", "z2 t", "r"), ("Tanh", "r", "h"), *LAST],
                 "y", r"expected .*(linear layers|Gemm)"),
    "an earlier layer is the output": ([*FIRST, ("Tanh", "z", "h"), *LAST], "z", r"got the first output 'z' before"),
    "two branches": ([*FIRST, ("Tanh", "z", "h"), ("Gemm", "x W1t b1", "v"), ("Add", "v h", "y")], "y", r"expected"),
    "whole numbers": ([("Cast", "x", "i", {"to": TensorProto.INT64}), ("Cast", "i", "f", {"to": TensorProto.DOUBLE}),
                       ("Gemm", "f W1t b1", "y")], "y", r"got a Cast to what is no floating-point type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_graphs_are_refused(case: str, tmp_path: Path) -> None:
    steps, output, message = REFUSED[case]
    with pytest.raises(BadInput, match=message):
        network_from_onnx(_graph(tmp_path / "g.onnx", steps, output=output))


def test_convolutions_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "kernel"], ["y"])
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 3, 3])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, 1, 3])],
                              [numpy_helper.from_array(np.ones((1, 1, 3, 1), np.float32), "kernel")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), tmp_path / "c.onnx")
    with pytest.raises(BadInput, match=r"got Conv after .*|got no linear layer.*|got .*Conv.*; expected linear layers"):
        network_from_onnx(tmp_path / "c.onnx")


TORCH: dict[str, Callable[[], torch.nn.Module]] = {
    "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "softplus": torch.nn.Softplus,
    "silu": torch.nn.SiLU, "mish": torch.nn.Mish, "selu": torch.nn.SELU, "softsign": torch.nn.Softsign,
    "identity": torch.nn.Identity, "gelu": torch.nn.GELU, "gelu_tanh": lambda: torch.nn.GELU(approximate="tanh"),
    "leaky_relu(0.07)": lambda: torch.nn.LeakyReLU(0.07), "elu(0.7)": lambda: torch.nn.ELU(0.7),
}


def _torch(activation: Callable[[], torch.nn.Module], *more: torch.nn.Module, bias: bool = True) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 4, bias=bias), activation(),
                               torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 4), activation()),
                               torch.nn.Linear(4, 2), *more).double().eval()


@pytest.mark.parametrize("name", TORCH)
def test_torch_gives_the_same_function(name: str) -> None:
    module = _torch(TORCH[name], bias=name != "relu")
    network = network_from_torch(module)
    assert network.activation.name == name and network.sizes == (3, 4, 4, 2)
    with torch.no_grad():
        expected = module(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(network(X), expected, rtol=0, atol=1e-12)


def test_torch_modules_used_twice_are_read_twice() -> None:
    tanh = torch.nn.Tanh()
    module = _torch(lambda: tanh)
    assert network_from_torch(module).sizes == (3, 4, 4, 2)


class _Residual(torch.nn.Module):
    """Linear, Tanh, Linear by its children, and something else by its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.parts(x)


@pytest.mark.parametrize("make, message", [
    (lambda: torch.nn.Tanh(), r"got modules \['Tanh'\]; expected Linear, activation, Linear.*bare network"),
    (lambda: torch.nn.Sequential(), r"got modules \[\]; expected Linear"),
    (lambda: _torch(torch.nn.Tanh, torch.nn.Softmax(dim=1)), r"'Softmax'\]; expected Linear, activation"),
    (lambda: torch.nn.Sequential(torch.nn.Conv1d(3, 4, 1), torch.nn.Tanh(), torch.nn.Linear(4, 1)), r"'Conv1d'"),
    (lambda: torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3), torch.nn.ReLU(),
                                 torch.nn.Linear(3, 3)), r"got activations \['tanh', 'relu'\]; expected one kind"),
    (lambda: _torch(torch.nn.ReLU6), r"got the activation ReLU6; expected ReLU, Tanh.*as a function"),
    (lambda: _torch(lambda: torch.nn.Softplus(beta=2)), r"got the activation Softplus\(beta=2.*\); expected ReLU"),
    (lambda: _torch(torch.nn.Tanh).to(torch.float64)[1:3], r"got modules \['Linear', 'Tanh'\]; expected Linear"),
    (_Residual, r"got modules \['_Residual'\]; expected Linear, activation"),
])
def test_other_torch_modules_are_refused(make: Callable[[], torch.nn.Module], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        network_from_torch(make())


def _fitted(model: Any, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few steps are enough here
        return model.set_params(hidden_layer_sizes=(4, 3), max_iter=3, random_state=0).fit(X, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_sklearn_regressors_give_the_same_function(activation: str, outputs: int) -> None:
    y = X[:, 0] if outputs == 1 else X[:, :2]
    model = _fitted(MLPRegressor(activation=activation), y)
    network = network_from_sklearn(model)
    assert network.activation == get_activation(activation) and network.sizes == (3, 4, 3, outputs)
    np.testing.assert_allclose(network(X).reshape(y.shape), model.predict(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_sklearn_classifiers_give_their_raw_outputs(classes: int) -> None:
    model = _fitted(MLPClassifier(), np.arange(60) % classes)
    raw = network_from_sklearn(model)(X)
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    expected = odds / odds.sum(axis=1, keepdims=True) if classes == 3 else 1 / (1 + np.exp(-raw))
    np.testing.assert_allclose(model.predict_proba(X)[:, -expected.shape[1]:], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(Teacher.from_sklearn(model).ask(X), raw, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [MLPRegressor(), RandomForestRegressor(), "tanh"])
def test_other_sklearn_models_are_refused(model: Any) -> None:
    with pytest.raises(BadInput, match=r"got \w+; expected a fitted MLPRegressor or MLPClassifier.*fit method"):
        network_from_sklearn(model)


def test_sklearn_regressors_with_an_output_function_are_refused() -> None:
    model = _fitted(MLPRegressor(), X[:, 0])
    model.out_activation_ = "exp"  # as with the Poisson loss
    with pytest.raises(BadInput, match=r"got outputs passed through exp; expected an MLPRegressor of squared error"):
        network_from_sklearn(model)


WRITERS: dict[str, Callable[[Network, Path], None]] = {".safetensors": save_network, ".onnx": network_to_onnx}


@pytest.mark.parametrize("suffix, call", list(itertools.product(WRITERS, ["replace", "fsync", "chmod"])))
def test_a_failing_write_leaves_the_old_file(suffix: str, call: str, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = random_teacher((3, 2, 1), "tanh", 0), random_teacher((3, 2, 1), "tanh", 1)
    path = tmp_path / f"net{suffix}"
    WRITERS[suffix](old, path)

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", fail)
        with pytest.raises(ExpandClusterError, match=r"could not be written \(No space left.*nothing .* lost.*Free"):
            WRITERS[suffix](new, path)
    _same(open_network(path), old)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    WRITERS[suffix](new, path)
    _same(open_network(path), new)


@pytest.mark.parametrize("suffix", WRITERS)
def test_writing_below_a_file_says_so(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ExpandClusterError, match=r"could not be written"):
        WRITERS[suffix](random_teacher((3, 2, 1), "tanh", 0), tmp_path / "file" / f"net{suffix}")
    assert (tmp_path / "file").read_text() == "kept"
