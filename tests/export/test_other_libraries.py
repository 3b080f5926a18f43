"""Networks in PyTorch, scikit-learn, equinox and files compute what they compute here, and come back the same."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tests.problems import logistic, random_teacher, softmax

import expandcluster as ec
from expandcluster.activations import activation_names, get_activation
from expandcluster.errors import BadInput
from expandcluster.export.torch_file import network_from_torch_file
from expandcluster.networks import Network
from expandcluster.precision import float64
from expandcluster.results import Recovery, Verdict

X = 3.0 * np.random.default_rng(0).normal(size=(200, 3))
ALL = [*activation_names(), "leaky_relu(0.07)", "elu(0.7)"]
TORCH = [name for name in ALL if name not in ("erf", "g")]
SKLEARN = ["relu", "tanh", "sigmoid", "identity"]
SHAPES = {"shallow": (3, 4, 2), "deep": (3, 5, 2, 4, 1), "no hidden layer": (3, 2)}
LINKS = {"raw": lambda z: z, "softmax": softmax, "logistic": logistic}
DTYPES = [np.float64, np.float32]


def _same(one: Network, other: Network, dtype: Any = np.float64) -> None:
    """Every weight and bias, after rounding to the type of the export."""
    assert one.sizes == other.sizes
    assert one.activation == other.activation or len(one.weights) == 1
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(a, b.astype(dtype))


def _close(got: np.ndarray, network: Network, output: str = "raw", dtype: Any = np.float64) -> None:
    expected = LINKS[output](network(X))
    size = np.abs(network(X)).max()
    assert got.dtype == dtype
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=0,
                               atol=1e-12 if dtype == np.float64 else 3e-6 * max(size, 1.0))


def _by_torch(module: Any, dtype: Any = np.float64) -> np.ndarray:
    with torch.no_grad():
        return module(torch.as_tensor(X.astype(dtype))).numpy()


def _by_equinox(module: Any, dtype: Any = np.float64) -> np.ndarray:
    with float64():
        return np.asarray(jax.vmap(module)(jnp.asarray(X, dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", TORCH)
def test_torch(activation: str, shape: str, dtype: Any) -> None:
    network = random_teacher(SHAPES[shape], activation, 0)
    module = ec.export.to_torch(network, dtype=dtype)
    assert isinstance(module, torch.nn.Sequential) and not module.training
    _close(_by_torch(module, dtype), network, dtype=dtype)
    _same(ec.export.from_torch(module), network, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", ALL)
def test_equinox(activation: str, shape: str, dtype: Any) -> None:
    network = random_teacher(SHAPES[shape], activation, 0)
    module = ec.export.to_equinox(network, dtype=dtype)
    _close(_by_equinox(module, dtype), network, dtype=dtype)
    _same(ec.export.from_equinox(module), network, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", SKLEARN)
def test_sklearn(activation: str, shape: str, dtype: Any) -> None:
    network = random_teacher(SHAPES[shape], activation, 0)
    model = ec.export.to_sklearn(network, dtype=dtype)
    assert isinstance(model, MLPRegressor) and model.n_features_in_ == 3
    _close(model.predict(X.astype(dtype)), network, dtype=dtype)
    assert model.score(X, network(X)) == pytest.approx(1.0, abs=1e-9)
    _same(ec.export.from_sklearn(model), network, dtype)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


@pytest.mark.parametrize("suffix, activations", [(".onnx", ALL), (".safetensors", ALL), (".pt", ALL)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_files_by_their_suffix(suffix: str, activations: list[str], dtype: Any, tmp_path: Path) -> None:
    for activation in activations:
        network = random_teacher((3, 4, 2), activation, 0)
        path = tmp_path / f"net{suffix}"
        ec.save_network(network, path, dtype=dtype)
        _same(ec.load_network(path, activation if suffix == ".pt" else None), network, dtype)


def test_a_state_dict_fits_the_module() -> None:
    network = random_teacher(SHAPES["deep"], "softplus", 0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Softplus(), torch.nn.Linear(5, 2), torch.nn.Softplus(),
                                 torch.nn.Linear(2, 4), torch.nn.Softplus(), torch.nn.Linear(4, 1)).double()
    module.load_state_dict(ec.export.to_torch(network).state_dict())
    np.testing.assert_allclose(_by_torch(module), network(X), rtol=0, atol=1e-7)  # PyTorch's softplus is off by 2e-9


def test_state_dicts_in_files(tmp_path: Path) -> None:
    network = random_teacher(SHAPES["deep"], "tanh", 0)
    ec.save_network(network, tmp_path / "net.pt")
    module = ec.export.to_torch(random_teacher(SHAPES["deep"], "tanh", 1))
    module.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    _close(_by_torch(module), network)
    torch.save(module.state_dict(), tmp_path / "own.pth")
    _same(ec.load_network(tmp_path / "own.pth", "tanh"), network)


@pytest.mark.parametrize("content, activation, message", [
    (None, "tanh", "got no such file"),
    (b"no torch file", "tanh", "got a damaged file or one of other things"),
    ({"weight": torch.ones(2, 2), "scale": torch.ones(2, 2)}, "tanh", "got tensors weight, scale; expected a matrix"),
    ({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, None, r"got no activation; .*load_network\(path, 'tanh'\)"),
    (torch.nn.Linear(2, 2), "tanh", "got a damaged file or one of other things"),  # a pickle that runs code
])
def test_other_torch_files_are_refused(content: Any, activation: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(BadInput, match=message):
        network_from_torch_file(path, activation)


@pytest.mark.parametrize("output, outputs", [("softmax", 2), ("softmax", 3), ("logistic", 1), ("logistic", 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_output_functions(output: str, outputs: int, dtype: Any, tmp_path: Path) -> None:
    network = random_teacher((3, 4, outputs), "tanh", 0)
    module = ec.export.to_torch(network, dtype=dtype, output=output)
    _close(_by_torch(module, dtype), network, output, dtype)
    _same(ec.export.from_torch(module, before=output), network, dtype)
    module = ec.export.to_equinox(network, dtype=dtype, output=output)
    _close(_by_equinox(module, dtype), network, output, dtype)
    _same(ec.export.from_equinox(module, before=output), network, dtype)
    ec.save_network(network, tmp_path / "net.onnx", dtype=dtype, output=output)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    _close(session.run(None, {"x": X.astype(dtype)})[0], network, output, dtype)
    _same(ec.load_network(tmp_path / "net.onnx", before=output), network, dtype)
    for refuse in (lambda: ec.export.from_torch(ec.export.to_torch(network, output=output)),
                   lambda: ec.export.from_equinox(module), lambda: ec.load_network(tmp_path / "net.onnx")):
        with pytest.raises(BadInput, match="expected"):
            refuse()


@pytest.mark.parametrize("output, outputs, classes", [
    ("softmax", 3, None), ("softmax", 3, ["ant", "bee", "cow"]), ("softmax", 2, ["no", "yes"]), ("logistic", 1, None),
    ("logistic", 1, [False, True]),
])
def test_sklearn_classifiers(output: str, outputs: int, classes: list[Any] | None) -> None:
    network = random_teacher((3, 4, outputs), "tanh", 0)
    model = ec.export.to_sklearn(network, output=output, classes=classes)
    assert isinstance(model, MLPClassifier) and model.n_features_in_ == 3
    p = LINKS[output](network(X))
    p = p if outputs > 1 else np.hstack([1 - p, p])
    np.testing.assert_allclose(model.predict_proba(X), p, rtol=0, atol=1e-12)
    names = np.arange(max(outputs, 2)) if classes is None else np.array(classes)
    np.testing.assert_array_equal(model.classes_, names)
    np.testing.assert_array_equal(model.predict(X), names[p.argmax(axis=1)])
    assert model.score(X, names[p.argmax(axis=1)]) == 1.0
    if outputs != 2:
        _same(ec.export.from_sklearn(model), network)


def test_sklearn_classifiers_of_several_labels() -> None:
    network = random_teacher((3, 4, 3), "relu", 0)
    model = ec.export.to_sklearn(network, output="logistic")
    np.testing.assert_allclose(model.predict_proba(X), logistic(network(X)), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), (network(X) > 0).astype(int))


def test_sklearn_models_can_be_trained_on() -> None:
    network = random_teacher((3, 4, 1), "tanh", 0)
    model, y = ec.export.to_sklearn(network), network(X)[:, 0] + 0.1
    before = np.mean((model.predict(X) - y) ** 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(20):
            model.partial_fit(X, y)
        assert np.mean((model.predict(X) - y) ** 2) < before
        ec.export.to_sklearn(network).set_params(max_iter=5).fit(X, y)


def _recovered(network: Network | None, output: str) -> Recovery:
    verdict = Verdict.CANNOT_IMITATE if network is None else Verdict.EXACT
    return Recovery(network, verdict, 0.0, 0.0, 0, 0.0, None, (), np.zeros(0), 0, {}, output=output)


def test_a_recovery_is_exported_with_what_its_teacher_answered(tmp_path: Path) -> None:
    network = random_teacher((3, 4, 3), "tanh", 0)
    recovery = _recovered(network, "softmax")
    _close(_by_torch(ec.export.to_torch(recovery)), network, "softmax")
    _close(_by_torch(ec.export.to_torch(recovery, output="raw")), network)
    _close(_by_equinox(ec.export.to_equinox(recovery)), network, "softmax")
    assert isinstance(ec.export.to_sklearn(recovery), MLPClassifier)
    assert isinstance(ec.export.to_sklearn(recovery, output="raw"), MLPRegressor)
    assert isinstance(ec.export.to_sklearn(dataclasses.replace(recovery, output="raw")), MLPRegressor)
    ec.save_network(recovery, tmp_path / "net.onnx")
    _same(ec.load_network(tmp_path / "net.onnx", before="softmax"), network)
    with pytest.raises(BadInput, match=r"got a recovery that ended in CANNOT_IMITATE without one; expected a Network"):
        ec.export.to_torch(_recovered(None, "raw"))


@pytest.mark.parametrize("call, message", [
    (lambda n: ec.export.to_torch(random_teacher((3, 2, 1), "erf", 0)), r"got erf; expected relu, .*leaky_relu, elu"),
    (lambda n: ec.export.to_torch(Network(n.weights, n.biases, jnp.sin)), r"got sin; expected relu, .*equinox"),
    (lambda n: ec.export.to_sklearn(random_teacher((3, 2, 1), "gelu", 0)),
     r"got gelu; expected relu, tanh, sigmoid, identity\. scikit-learn has only these"),
    (lambda n: ec.export.to_torch(n, output="tanh"), r"output: got 'tanh'; expected raw, softmax, logistic or auto"),
    (lambda n: ec.export.to_torch(n, dtype=np.float16), r"dtype: got float16; expected float64 or float32"),
    (lambda n: ec.export.to_torch(random_teacher((3, 2, 1), "tanh", 0), output="softmax"),
     r"got softmax of one output; expected softmax of at least two, or logistic"),
    (lambda n: ec.export.to_torch(Network(([[1e39]],), ([0.0],), "tanh"), dtype=np.float32),
     r"got float32 for a weight of 1.0e\+39"),
    (lambda n: ec.export.to_torch(n.weights), r"network to export: got tuple; expected a Network, or a Recovery"),
    (lambda n: ec.export.to_sklearn(n, output="softmax", classes=["b", "a"]), r"expected 2 different names in sorted"),
    (lambda n: ec.export.to_sklearn(n, output="softmax", classes=[1]), r"classes: got \[1\]; expected 2 different"),
    (lambda n: ec.export.to_sklearn(n, classes=[1, 2]), r"classes: got \[1, 2\]; expected none"),
    (lambda n: ec.save_network(n, "net.txt"), r"got a file ending in '.txt'; expected .safetensors, .onnx, .pt, .pth"),
    (lambda n: ec.export.from_equinox(eqx.nn.Conv1d(1, 1, 1, key=jax.random.key(0))), r"got modules \['Conv1d'\]"),
    (lambda n: ec.export.from_equinox(eqx.nn.MLP(3, 2, 4, 2, scan=True, key=jax.random.key(0))), r"with scan=True"),
    (lambda n: ec.export.from_equinox(eqx.nn.MLP(3, 2, 4, 2, final_activation=jnp.tanh, key=jax.random.key(0))),
     r"'tanh'\]; expected an MLP, or a Sequential"),
    (lambda n: ec.export.from_equinox(eqx.nn.Sequential([*ec.export.to_equinox(n).layers, eqx.nn.Lambda(jax.nn.relu),
                                                         eqx.nn.Linear(2, 2, key=jax.random.key(0))])),
     r"got activations \['tanh', 'relu'\]; expected one kind"),
])
def test_what_a_target_cannot_express_is_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call(random_teacher((3, 4, 2), "tanh", 0))


def test_equinox_takes_any_function_and_mlps_are_read() -> None:
    network = Network(([[1.0, 2.0, 3.0]], [[2.0]]), ([0.5], [1.0]), jnp.sin)
    module = ec.export.to_equinox(network)
    _close(_by_equinox(module), network)
    assert ec.export.from_equinox(module).activation == get_activation(jnp.sin)
    with float64():
        mlp = eqx.nn.MLP(3, 2, 4, 2, activation=lambda z: z * jax.nn.sigmoid(z), use_final_bias=False,
                         key=jax.random.key(0))
    read = ec.export.from_equinox(mlp)
    assert read.activation.name == "silu" and read.sizes == (3, 4, 4, 2)
    np.testing.assert_allclose(_by_equinox(mlp), read(X), rtol=0, atol=1e-12)
