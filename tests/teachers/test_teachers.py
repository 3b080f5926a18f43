"""Every kind of teacher keeps one contract, and says what is wrong where it cannot."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.cluster import AgglomerativeClustering
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tests.problems import random_teacher

from expandcluster.errors import BadInput, TeacherError
from expandcluster.export import save_network
from expandcluster.export.onnx_file import network_to_onnx
from expandcluster.options import QueryOptions
from expandcluster.queries.ledger import Ledger
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.source import open_source
from expandcluster.teachers import Teacher, open_teacher

NETWORK = random_teacher((3, 4, 2), "tanh", 0)
SOFTPLUS = random_teacher((3, 4, 2), "softplus", 1)
X = np.random.default_rng(0).normal(size=(40, 3))
Case = tuple[Teacher, int, int, type, Callable[[np.ndarray], np.ndarray], float]


def _sklearn(model: Any, outputs: int, classes: int = 0, dtype: type = np.float64) -> Any:
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=40) if classes else rng.normal(size=(40, outputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few steps are enough here
        return model.fit(X.astype(dtype), y[:, 0] if not classes and outputs == 1 else y)


def _mlp(model: Any, x: np.ndarray) -> np.ndarray:
    """Forward pass by the coefficients, without what comes after the last layer."""
    for layer, (w, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        x = x @ w + b
        x = np.tanh(x) if layer < len(model.coefs_) - 1 else x
    return x


def _sequential(dtype: torch.dtype) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).to(dtype)


def _by_torch(module: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    first: Any = module[0]
    last: Any = module[2]
    w1, b1, w2, b2 = (p.detach().numpy().astype(np.float64) for p in (first.weight, first.bias, last.weight, last.bias))
    return np.tanh(x @ w1.T + b1) @ w2.T + b2


def _onnx(network: Any, folder: Path, dtype: type) -> Teacher:
    network_to_onnx(network, folder / "net.onnx", dtype)
    return Teacher.from_onnx(folder / "net.onnx")


def _fixed_batch(folder: Path) -> Teacher:
    network_to_onnx(NETWORK, folder / "free.onnx")
    model = onnx.load(folder / "free.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 7
    onnx.save(model, folder / "fixed.onnx")
    return Teacher.from_onnx(folder / "fixed.onnx")


def _regressor(outputs: int, dtype: type = np.float64) -> Any:
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=3, random_state=0)
    return _sklearn(model, outputs, dtype=dtype)


def _classifier(classes: int) -> Any:
    return _sklearn(MLPClassifier(hidden_layer_sizes=(4,), activation="tanh", max_iter=3, random_state=0), 1, classes)


def _saved(folder: Path) -> Teacher:
    save_network(NETWORK, folder / "net.safetensors")
    return open_teacher(str(folder / "net.safetensors"))


def _case(kind: str, folder: Path) -> Case:
    """Teacher, inputs, outputs, dtype, what it should answer, tolerance."""
    if kind == "callable":
        return Teacher.from_callable(NETWORK, 3), 3, 2, np.float64, NETWORK, 0.0
    if kind == "callable, one number each":
        return Teacher.from_callable(lambda x: x[:, 0], 3), 3, 1, np.float64, lambda x: x[:, :1], 0.0
    if kind == "callable, float32":
        return (Teacher.from_callable(lambda x: NETWORK(x).astype(np.float32), 3), 3, 2, np.float32, NETWORK, 1e-6)
    if kind == "callable, told everything":
        return (Teacher.from_callable(NETWORK, 3, outputs=2, dtype=np.float32), 3, 2, np.float32, NETWORK, 0.0)
    if kind == "network":
        return Teacher.from_network(NETWORK), 3, 2, np.float64, NETWORK, 0.0
    if kind == "network in a file":
        return _saved(folder), 3, 2, np.float64, NETWORK, 0.0
    if kind.startswith("MLPRegressor"):
        outputs, dtype = 1 if "one output" in kind else 2, np.float32 if "float32" in kind else np.float64
        model = _regressor(outputs, dtype)
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        return Teacher.from_sklearn(model), 3, outputs, dtype, lambda x: _mlp(model, x), tolerance
    if kind.startswith("MLPClassifier"):
        classes = 2 if "2 classes" in kind else 3
        model = _classifier(classes)
        outputs = 1 if classes == 2 else 3
        return Teacher.from_sklearn(model), 3, outputs, np.float64, lambda x: _mlp(model, x), 1e-12
    if kind == "RandomForestRegressor":
        model = _sklearn(RandomForestRegressor(3, random_state=0), 2)
        return Teacher.from_sklearn(model), 3, 2, np.float64, model.predict, 0.0
    if kind == "LogisticRegression":
        model = _sklearn(LogisticRegression(), 1, 3)
        return (Teacher.from_sklearn(model), 3, 3, np.float64, lambda x: x @ model.coef_.T + model.intercept_, 1e-12)
    if kind == "ONNX float64":
        return _onnx(NETWORK, folder, np.float64), 3, 2, np.float64, NETWORK, 1e-13
    if kind == "ONNX float64 softplus":
        return _onnx(SOFTPLUS, folder, np.float64), 3, 2, np.float64, SOFTPLUS, 1e-13
    if kind == "ONNX float32":
        return _onnx(NETWORK, folder, np.float32), 3, 2, np.float32, NETWORK, 1e-5
    if kind == "ONNX fixed batch":
        return _fixed_batch(folder), 3, 2, np.float64, NETWORK, 1e-13
    dtype, torch_dtype = (np.float64, torch.float64) if "64" in kind else (np.float32, torch.float32)
    module = _sequential(torch_dtype)
    tolerance = 1e-13 if dtype == np.float64 else 1e-6
    return Teacher.from_torch(module), 3, 2, dtype, lambda x: _by_torch(module, x), tolerance


KINDS = ["callable", "callable, one number each", "callable, float32", "callable, told everything", "network",
         "network in a file", "MLPRegressor one output", "MLPRegressor two outputs", "MLPRegressor float32",
         "MLPClassifier 2 classes", "MLPClassifier 3 classes", "RandomForestRegressor", "LogisticRegression",
         "ONNX float64", "ONNX float64 softplus", "ONNX float32", "ONNX fixed batch", "torch float32", "torch float64"]


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: str, tmp_path: Path) -> None:
    teacher, inputs, outputs, dtype, expected, tolerance = _case(kind, tmp_path)
    assert (teacher.inputs, teacher.outputs, teacher.dtype) == (inputs, outputs, np.dtype(dtype))
    assert teacher.name and teacher.asked in (0, 1)
    for samples in (1, 2, 15, 40):
        x = X[:samples]
        before = x.copy()
        y = teacher.ask(x)
        assert y.shape == (samples, outputs) and y.dtype.kind == "f"
        np.testing.assert_allclose(y, expected(x), rtol=0, atol=tolerance)
        np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(teacher.ask(X), teacher.ask(X))
    ledger = Ledger(teacher, None, None)
    assert ledger.ask(X).shape == (40, outputs) and ledger.queries == 40 + teacher.asked


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.startswith("callable")])
def test_fingerprints_and_names_are_the_same_every_time(kind: str, tmp_path: Path) -> None:
    one, again = _case(kind, tmp_path)[0], _case(kind, tmp_path)[0]
    assert (one.name, one.fingerprint) == (again.name, again.fingerprint)


def test_fingerprints_differ_where_the_teacher_does(tmp_path: Path) -> None:
    networks = Teacher.from_network(NETWORK), Teacher.from_network(SOFTPLUS)
    files = _onnx(NETWORK, tmp_path, np.float64), _onnx(SOFTPLUS, tmp_path, np.float64)
    tables = Teacher.from_data(X, NETWORK(X)), Teacher.from_data(X, NETWORK(X) + 1e-9)
    for one, other in (networks, files, tables):
        assert one.fingerprint and one.fingerprint != other.fingerprint


def test_table_keeps_its_rows_and_cannot_be_asked() -> None:
    teacher = Teacher.from_data(X.astype(np.float32), NETWORK(X).astype(np.float32))
    assert (teacher.inputs, teacher.outputs, teacher.dtype, teacher.asked) == (3, 2, np.float32, 0)
    assert teacher.x.dtype == teacher.y.dtype == np.float64  # type: ignore[attr-defined]
    np.testing.assert_allclose(teacher.y, NETWORK(X), atol=1e-6)  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match=r"table: got a question; expected none.*Use a teacher that can be asked"):
        teacher.ask(X)


def test_onnxruntime_runs_what_it_can_and_the_reference_the_rest(tmp_path: Path) -> None:
    assert _onnx(NETWORK, tmp_path, np.float64).runs_in == "onnxruntime"  # type: ignore[attr-defined]
    assert _onnx(SOFTPLUS, tmp_path, np.float64).runs_in == "onnx.reference"  # type: ignore[attr-defined]
    assert _onnx(SOFTPLUS, tmp_path, np.float32).runs_in == "onnxruntime"  # type: ignore[attr-defined]


@pytest.mark.parametrize("activation", ["erf", "gelu", "gelu_tanh", "mish", "selu", "elu(0.3)", "leaky_relu(0.07)"])
def test_float64_onnx_answers_have_no_float32_in_them(activation: str, tmp_path: Path) -> None:
    network = random_teacher((3, 4, 2), activation, 0)
    np.testing.assert_allclose(_onnx(network, tmp_path, np.float64).ask(X), network(X), rtol=0, atol=1e-13)


def test_onnx_input_of_several_axes_is_filled_row_by_row(tmp_path: Path) -> None:
    network_to_onnx(NETWORK, tmp_path / "flat.onnx")
    model = onnx.load(tmp_path / "flat.onnx")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.DOUBLE, ["batch", 1, 3]))
    model.graph.node.insert(0, helper.make_node("Flatten", ["image"], ["x"], axis=1))
    onnx.save(model, tmp_path / "image.onnx")
    teacher = Teacher.from_onnx(tmp_path / "image.onnx")
    assert teacher.inputs == 3
    np.testing.assert_allclose(teacher.ask(X), NETWORK(X), rtol=0, atol=1e-13)


@pytest.mark.parametrize("training", [True, False])
def test_torch_is_asked_in_evaluation_mode_and_left_as_it_was(training: bool) -> None:
    dropout = torch.nn.Dropout(0.9)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), dropout, torch.nn.Linear(4, 2))
    module.train(training)
    frozen = module[1].eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    teacher = Teacher.from_torch(module)
    one, again = teacher.ask(X), teacher.ask(X)
    np.testing.assert_array_equal(one, again)
    assert module.training is dropout.training is training and not frozen.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())


def test_torch_mode_is_restored_when_the_module_fails() -> None:
    module = _sequential(torch.float32)
    with pytest.raises(RuntimeError):
        Teacher.from_torch(module, inputs=5)
    assert module.training


def test_asking_a_classifier_leaves_it_as_it_was() -> None:
    model = _classifier(3)
    probabilities = model.predict_proba(X)
    Teacher.from_sklearn(model).ask(X)
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)


class _Two(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layer(x), x


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no function": (lambda: Teacher.from_callable(3, 2), r"got int; expected a function.*from_sklearn"),  # type: ignore
    "no inputs": (lambda: Teacher.from_callable(NETWORK, 0), r"got 0; expected a positive integer.*how many"),
    "inputs no integer": (lambda: Teacher.from_callable(NETWORK, True), r"got True; expected a positive integer"),
    "no outputs": (lambda: Teacher.from_callable(NETWORK, 3, outputs=0), r"got 0; expected a positive integer"),
    "ragged answers": (lambda: Teacher.from_callable(lambda x: [[1.0], [2.0, 3.0]], 3),
                       r"no array of numbers.*; expected 1 rows of numbers.*Return one row"),
    "text answers": (lambda: Teacher.from_callable(lambda x: [["cat"]], 3), r"no array of numbers.*Return one row"),
    "complex answers": (lambda: Teacher.from_callable(lambda x: x[:, :1] + 1j, 3), r"no array of numbers.*complex"),
    "one number for all": (lambda: Teacher.from_callable(lambda x: 1.0, 3),
                           r"got shape \(\) for 1 inputs; expected shape \(1, outputs\).*Return one row"),
    "images": (lambda: Teacher.from_callable(lambda x: np.zeros((len(x), 2, 2)), 3), r"got shape \(1, 2, 2\)"),
    "not fitted": (lambda: Teacher.from_sklearn(MLPRegressor()),
                   r"got MLPRegressor that is not fitted; expected a fitted model.*Call its fit"),
    "forest classifier": (lambda: Teacher.from_sklearn(_sklearn(RandomForestClassifier(2, random_state=0), 1, 3)),
                          r"got the classifier RandomForestClassifier; expected raw outputs.*MLPClassifier"),
    "no predict": (lambda: Teacher.from_sklearn(AgglomerativeClustering()),
                   r"got AgglomerativeClustering; expected a model with a predict method.*from_callable"),
    "no module": (lambda: Teacher.from_torch(NETWORK), r"got Network; expected a torch.nn.Module.*from_callable"),
    "no linear layer": (lambda: Teacher.from_torch(torch.nn.Tanh()),
                        r"got a module without a Linear layer; expected a known input size.*inputs="),
    "two tensors": (lambda: Teacher.from_torch(_Two()), r"got tuple; expected one tensor.*Wrap"),
    "few rows": (lambda: Teacher.from_data(X[:9], X[:9]), r"got 9 rows; expected at least 10 rows.*Collect more"),
    "fewer outputs": (lambda: Teacher.from_data(X, X[:30]),
                      r"got 40 rows of inputs and 30 of outputs; expected as many.*one row of outputs"),
    "NaN": (lambda: Teacher.from_data(X, np.where(np.arange(40)[:, None] % 20 == 4, np.nan, X)),
            r"outputs of table: got NaN or infinite values in 2 of 40 rows, first in row 5; expected finite.*Leave"),
    "infinite": (lambda: Teacher.from_data(X + np.inf, X), r"inputs of table: got NaN or infinite values in 40 of 40"),
    "ragged table": (lambda: Teacher.from_data([[1.0], [1.0, 2.0]], X),  # type: ignore[arg-type]
                     r"inputs of table: got rows of different length.*; expected an array of numbers.*Give every row"),
    "complex table": (lambda: Teacher.from_data(X, X * 1j), r"outputs of table: got .*complex.*; expected an array"),
    "images as answers": (lambda: Teacher.from_data(np.zeros(20), np.zeros((20, 2, 2))),
                          r"got an array of shape \(20, 2, 2\); expected rows of numbers.*Flatten"),
    "no columns": (lambda: Teacher.from_data(np.zeros((20, 0)), np.zeros(20)), r"got an array of shape \(20, 0\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_teachers_are_refused(case: str) -> None:
    make, message = REFUSED[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        with pytest.raises(BadInput, match=message):
            make()


def test_constant_answers_are_refused() -> None:
    for value in (0.0, 7.3):
        teacher = Teacher.from_callable(lambda x, value=value: np.full((len(x), 2), value), 3)
        with pytest.raises(TeacherError, match=r"the same answer to every input; expected answers that vary.*scale"):
            probe_teacher(open_source(teacher, QueryOptions(), 0))
    with pytest.raises(TeacherError, match=r"the same answer to every input"):
        probe_teacher(open_source(Teacher.from_data(X, np.ones(40)), QueryOptions(), 0))


@pytest.mark.parametrize("answer", [lambda x: x[:-1], lambda x: np.tile(x, (1, 2))])
def test_answers_of_a_new_shape_are_refused(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    teacher = Teacher.from_callable(lambda x: x if len(x) == 1 else answer(x), 3)
    with pytest.raises(TeacherError, match=r"the teacher's answers: got shape .*; expected shape"):
        Ledger(teacher, None, None).ask(X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_refused(value: float) -> None:
    teacher = Teacher.from_callable(lambda x: np.where(x > 1.5, value, x), 3)
    with pytest.raises(TeacherError, match=r"got \d+ of 40 answers that are NaN or infinite; expected finite"):
        Ledger(teacher, None, None).ask(X)


def _model(folder: Path, kind: int = TensorProto.DOUBLE, shape: tuple[Any, ...] = ("n", 3), inputs: int = 1) -> Path:
    """A model that casts and adds its inputs."""
    names = [f"x{i}" for i in range(inputs)]
    nodes = [helper.make_node("Cast", [n], [f"c{n}"], to=TensorProto.DOUBLE) for n in names]
    nodes.append(helper.make_node("Sum", [f"c{n}" for n in names], ["y"]))
    graph = helper.make_graph(nodes, "sum", [helper.make_tensor_value_info(n, kind, shape) for n in names],
                              [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["n", None])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), folder / "m.onnx")
    return folder / "m.onnx"


@pytest.mark.parametrize("kind, message", [
    ({"kind": TensorProto.INT64}, r"got an input of type INT64; expected floating-point inputs.*float32 or float64"),
    ({"kind": 39}, r"got an input of type 39; expected floating-point inputs"),
    ({"shape": ("n", "m")}, r"got an input of shape .*; expected a shape \(batch, inputs\).*fixed input size"),
    ({"shape": (3,)}, r"got an input of shape \[3\]; expected a shape \(batch, inputs\)"),
    ({"inputs": 2}, r"got a model of 2 inputs; expected one input.*single input"),
    ({"shape": ("n", 2**40)}, r"got inputs of 1099511627776 numbers .*; expected at most"),
])
def test_onnx_inputs_that_cannot_be_asked_are_refused(kind: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        Teacher.from_onnx(_model(tmp_path, **kind))


def test_onnx_that_fails_when_asked_is_refused(tmp_path: Path) -> None:
    model = onnx.load(_model(tmp_path))
    model.graph.initializer.append(numpy_helper.from_array(np.array([5, 7]), "shape"))
    model.graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["z"]))
    model.graph.output[0].name = "z"
    onnx.save(model, tmp_path / "reshape.onnx")
    with pytest.raises(BadInput, match=r"reshape.onnx: got a model that fails .*; expected .*"):
        Teacher.from_onnx(tmp_path / "reshape.onnx")


def test_onnx_with_external_data_is_refused(tmp_path: Path) -> None:
    network_to_onnx(NETWORK, tmp_path / "net.onnx")
    onnx.save_model(onnx.load(tmp_path / "net.onnx"), tmp_path / "out.onnx", save_as_external_data=True,
                    location="weights.bin", size_threshold=0)
    with pytest.raises(BadInput, match=r"kept in another file; expected one file that holds everything.*without"):
        Teacher.from_onnx(tmp_path / "out.onnx")


def test_truncated_onnx_is_refused(tmp_path: Path) -> None:
    network_to_onnx(NETWORK, tmp_path / "net.onnx")
    whole = (tmp_path / "net.onnx").read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.onnx").write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"got a damaged or unreadable file .*; expected a complete ONNX.*again"):
            open_teacher(str(tmp_path / "cut.onnx"))


FILES = [".onnx", ".npz", ".csv", ".parquet", ".safetensors"]


@pytest.mark.parametrize("suffix", [*FILES, *(s.upper() for s in FILES)])
def test_missing_files_are_refused(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"got no such file; expected .*Check the path"):
        open_teacher(str(tmp_path / f"none{suffix}"))


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".pt", ".pth", ".PKL"])
def test_pickles_are_refused_and_never_opened(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"whatever")
    opened: list[Any] = []
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: opened.append(args))
    monkeypatch.setattr("io.open", lambda *args, **kwargs: opened.append(args))
    monkeypatch.setattr("os.open", lambda *args, **kwargs: opened.append(args))
    with pytest.raises(BadInput) as caught:
        open_teacher(str(path))
    assert not opened
    for part in (*FILES, "module:function", "run code", "never loaded", "Export the model to ONNX"):
        assert part in str(caught.value)


MODULE = """
import numpy as np
from sklearn.neural_network import MLPRegressor
from tests.problems import random_teacher
from expandcluster.teachers import Teacher
def function(x):
    return np.tanh(x[:, :1])
network = random_teacher((3, 4, 2), "tanh", 0)
teacher = Teacher.from_network(network)
number = 3
unfitted = MLPRegressor()
class Holder:
    inner = staticmethod(function)
"""
COUNT = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a new name in the working directory."""
    name = f"module_of_teachers_{next(COUNT)}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("import no_module_of_this_name")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_objects_of_modules_are_teachers(module: str) -> None:
    assert open_teacher(f"{module}:teacher").outputs == 2
    assert open_teacher(f"{module}:network", 3).outputs == 2
    assert open_teacher(f"{module}:function", 3).outputs == open_teacher(f"{module}:Holder.inner", 3).outputs == 1
    assert f"{module}:function" in open_teacher(f"{module}:function", 3).name


@pytest.mark.parametrize("name, message", [
    ("{}:nothing", r"AttributeError: .*nothing.*; expected a module that can be imported.*Run from the folder"),
    ("{}_absent:function", r"ModuleNotFoundError: .*; expected a module that can be imported.*install it"),
    ("{}_broken:function", r"ModuleNotFoundError: .*no_module_of_this_name"),
    ("{}:", r"expected a module that can be imported here and a name in it"),
    (":function", r"expected a module that can be imported here and a name in it"),
    ("{}:function", r"got a function of unknown input size; expected the input size.*--input-size"),
    ("{}:number", r"got int; expected a function, a Teacher, a scikit-learn model or a PyTorch module.*rows"),
    ("{}:unfitted", r"got MLPRegressor that is not fitted"),
    ("{}.py", r"got neither a known file format nor module:function; expected .onnx, .npz.*Check the path"),
    (".", r"got a directory; expected .onnx, .npz"),
    ("", r"expected .onnx, .npz"),
])
def test_names_that_are_no_teacher_are_refused(name: str, message: str, module: str) -> None:
    with pytest.raises(BadInput, match=message):
        open_teacher(name.format(module))
