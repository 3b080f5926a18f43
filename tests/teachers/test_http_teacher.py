"""A model behind a real server process: answers, batches, pace, faults, keys, going on after a stop."""

from __future__ import annotations

import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.problems import random_teacher
from tests.teachers.inference_server import InferenceServer

from expandcluster.errors import BadInput, MissingExtra, TeacherError
from expandcluster.export.onnx_file import network_to_onnx
from expandcluster.queries.answers import Answers
from expandcluster.queries.ledger import Ledger
from expandcluster.teachers import Teacher, open_teacher
from expandcluster.teachers.http_teacher import HttpOptions, HttpTeacher
from expandcluster.teachers.inference_protocol import parse_address

NETWORK = random_teacher((4, 5, 3), "tanh", 0)
RTOL = {"f64": 1e-13, "f32": 1e-5, "f16": 2e-2}
QUICK: dict[str, Any] = {"rows": 8, "concurrency": 1, "backoff": 0.01, "timeout": 5.0}
KEPT = "The run folder keeps all answers so far"
SECRET = "sk-Xn48-very-secret"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    for name, dtype in (("f64", np.float64), ("f32", np.float32), ("f16", np.float16)):
        network_to_onnx(NETWORK, path / f"{name}.onnx", dtype)
    return path


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[InferenceServer]:
    with InferenceServer(folder) as server:
        yield server


@pytest.fixture
def server(running: InferenceServer) -> InferenceServer:
    running.reset()
    return running


def _inputs(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, 4))


def _options(**changes: Any) -> HttpOptions:
    return HttpOptions(**{**QUICK, **changes})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("model", ["f64", "f32"])
def test_answers_equal_the_network(server: InferenceServer, model: str, binary: bool) -> None:
    teacher = Teacher.from_http(server.url(model), options=_options(binary=binary, concurrency=3))
    assert (teacher.inputs, teacher.outputs, teacher.asked, teacher.batch) == (4, 3, 0, 24)
    assert teacher.dtype == {"f64": np.float64, "f32": np.float32}[model]
    assert server.counts()["requests"] == 0  # sizes cost no query
    x = _inputs(50)
    y = teacher.ask(x)
    assert y.shape == (50, 3) and y.dtype == teacher.dtype
    np.testing.assert_allclose(y, NETWORK(x), rtol=RTOL[model], atol=RTOL[model])
    counts = server.counts()
    assert counts["binary"] == (counts["requests"] if binary else 0) and counts["rows"] == 50


@pytest.mark.parametrize("model", ["f64", "f32"])
def test_json_and_binary_agree_to_the_last_bit(server: InferenceServer, model: str) -> None:
    x = _inputs(20, seed=1)
    one, other = (Teacher.from_http(server.url(model), options=_options(binary=b)).ask(x) for b in (False, True))
    np.testing.assert_array_equal(one, other)


def test_half_precision_is_binary(server: InferenceServer) -> None:
    teacher = Teacher.from_http(server.url("f16"), options=_options())
    x = _inputs(5)
    np.testing.assert_allclose(teacher.ask(x), NETWORK(x), rtol=RTOL["f16"], atol=RTOL["f16"])
    assert teacher.dtype == np.float16 and server.counts()["binary"] == 1
    with pytest.raises(BadInput, match="no JSON form of FP16"):
        Teacher.from_http(server.url("f16"), options=_options(binary=False))


@pytest.mark.parametrize("extensions", [[], ["binary_tensor_data"]])
def test_binary_where_the_server_lists_it(server: InferenceServer, extensions: list[str]) -> None:
    server.reset(extensions=extensions)
    Teacher.from_http(server.url("f64"), options=_options()).ask(_inputs(2))
    assert server.counts()["binary"] == len(extensions)


def test_addresses(server: InferenceServer) -> None:
    x = _inputs(3)
    versioned = server.url("f64") + "/versions/1"
    teachers = [open_teacher(server.url("f64")), open_teacher(versioned, http=_options()),
                Teacher.from_http(f"http://127.0.0.1:{server.port}", "f64"),
                Teacher.from_http(f"http://127.0.0.1:{server.port}/v2/", "f64")]
    for teacher in teachers:
        np.testing.assert_allclose(teacher.ask(x), NETWORK(x), rtol=1e-13)
    assert [t.name for t in teachers] == [server.url("f64"), versioned, server.url("f64"), server.url("f64")]
    prints = [t.fingerprint for t in teachers]
    assert prints[0] == prints[2] == prints[3] != prints[1]
    server.reset(metadata={"versions": ["1", "2"]})
    assert open_teacher(server.url("f64")).fingerprint != prints[0]
    assert open_teacher(versioned).fingerprint == prints[1]


@pytest.mark.parametrize(("url", "model", "message"), [
    ("http://host:8000", None, "no model"),
    ("http://host/v2/models/a", "b", "Name the model once"),
    ("http://host:port/v2/models/a", None, "cannot be read"),
    ("ftp://host/v2/models/a", None, "scheme 'ftp'"),
    ("http:///v2/models/a", None, "host ''"),
    ("http://host/v1/models/a?token=hunter2x", None, "no model"),
    ("http://user:hunter2x@host/v1/a", None, "no model"),
])
def test_addresses_that_are_none(url: str, model: str | None, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        Teacher.from_http(url, model)
    assert "hunter2x" not in str(caught.value)


def test_parsed_address() -> None:
    address = parse_address("https://me:p%40ss@[::1]:8000/serving/v2/models/a%20b/versions/7/infer?k=v")
    assert address.name == "https://[::1]:8000/serving/v2/models/a%20b/versions/7"
    assert (address.model, address.version, address.query, address.login) == ("a b", "7", "k=v", ("me", "p@ss"))
    assert "p@ss" not in repr(address) and "k=v" not in repr(address)


def test_batches_and_concurrency(server: InferenceServer) -> None:
    server.reset(delay=0.05)
    teacher = Teacher.from_http(server.url("f64"), options=_options(rows=7, concurrency=3))
    x = _inputs(100)
    np.testing.assert_allclose(teacher.ask(x), NETWORK(x), rtol=1e-13)  # in the order asked
    counts = server.counts()
    assert sorted(counts["sizes"]) == [2] + [7] * 14
    assert counts["most_at_once"] == 3
    assert teacher.ask(x[:0]).shape == (0, 3)


def test_fixed_batch_is_filled_up(server: InferenceServer) -> None:
    server.reset(metadata={"inputs": [{"name": "x", "datatype": "FP64", "shape": [6, 4]}]})
    teacher = Teacher.from_http(server.url("f64"), options=_options(binary=False))
    x = _inputs(8)
    np.testing.assert_allclose(teacher.ask(x), NETWORK(x), rtol=1e-13)
    assert server.counts()["sizes"] == [6, 6] and teacher.batch == 6


def test_unknown_number_of_outputs_costs_one_query(server: InferenceServer) -> None:
    server.reset(metadata={"outputs": [{"name": "y", "datatype": "FP64", "shape": [-1, -1]}]})
    teacher = Teacher.from_http(server.url("f64"), options=_options())
    assert (teacher.outputs, teacher.asked, server.counts()["rows"]) == (3, 1, 1)


def test_rate_limit(server: InferenceServer) -> None:
    teacher = Teacher.from_http(server.url("f64"), options=_options(rows=1, concurrency=4, rate=25.0, binary=True))
    start = time.monotonic()
    teacher.ask(_inputs(15))
    assert time.monotonic() - start >= 14 / 25
    times = sorted(server.counts()["times"])
    assert len(times) == 15 and times[-1] - times[0] >= 7 / 25  # spread over that time, up to late arrivals


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("fault", [
    ["status", [429, 0]], ["status", [500, None]], ["status", [502, None]], ["status", [503, None]],
    ["status", [504, "Wed, 21 Oct 2015 07:28:00 GMT"]], ["status", [503, "soon"]], ["slow", 1.2], ["truncated", None],
    ["cut", None]], ids=lambda fault: f"{fault[0]}-{fault[1]}")
def test_faults_are_survived_and_counted_once(server: InferenceServer, tmp_path: Path, fault: list[Any],
                                              binary: bool) -> None:
    server.reset(faults={"2": fault, "3": fault, "6": fault})
    teacher = Teacher.from_http(server.url("f64"), options=_options(timeout=0.6 if fault[0] == "slow" else 5.0,
                                                                      binary=binary))
    answers = Answers(tmp_path / "answers.bin", 3)
    ledger = Ledger(teacher, 40, answers)
    x = _inputs(40)
    np.testing.assert_allclose(ledger.ask(x), NETWORK(x), rtol=1e-13)
    counts = server.counts()
    assert counts["requests"] == 5 + 3  # every fault is followed by one repeat
    assert counts["rows"] == ledger.queries == len(answers) == 40
    answers.close()


def test_faults_of_concurrent_requests(server: InferenceServer) -> None:
    kinds = [["status", [500, None]], ["truncated", None], ["cut", None], ["status", [429, 0]]]
    server.reset(faults={str(n): kinds[n % 4] for n in range(2, 30, 3)})
    teacher = Teacher.from_http(server.url("f64"), options=_options(concurrency=4, rows=4))
    x = _inputs(120, seed=2)
    np.testing.assert_allclose(Ledger(teacher, None, None).ask(x), NETWORK(x), rtol=1e-13)
    assert server.counts()["rows"] == 120


def test_faults_of_the_metadata_are_survived(server: InferenceServer) -> None:
    server.reset(metadata_faults={"1": ["status", [503, None]], "2": ["truncated", None], "3": ["cut", None]})
    assert Teacher.from_http(server.url("f64"), options=_options()).inputs == 4
    assert server.counts()["metadata_requests"] == 4


def test_retry_after_holds_every_request_back(server: InferenceServer) -> None:
    server.reset(faults={"1": ["status", [429, 1]]}, delay=0.1)
    teacher = Teacher.from_http(server.url("f64"), options=_options(concurrency=2, rows=1, binary=True))
    teacher.ask(_inputs(8))
    counts = server.counts()
    early = [t for t in counts["times"] if t < counts["times"][0] + 0.95]
    assert counts["requests"] == 9 and len(early) <= 3  # those that were under way when the server said so


def test_a_very_long_pause_is_not_waited_for(server: InferenceServer) -> None:
    server.reset(faults={"1": ["status", [503, 5000]]})
    teacher = Teacher.from_http(server.url("f64"), options=_options())
    with pytest.raises(TeacherError, match=rf"HTTP 503 .fault 503., which asks for a pause of 5000 s.*{KEPT}"):
        teacher.ask(_inputs(3))
    assert server.counts()["requests"] == 1


def test_repeats_are_spent(server: InferenceServer) -> None:
    server.reset(faults={str(n): ["truncated", None] for n in range(1, 10)})
    teacher = Teacher.from_http(server.url("f64"), options=_options(retries=2))
    with pytest.raises(TeacherError, match=rf"a damaged answer .* after 3 tries; expected an answer. {KEPT}"):
        teacher.ask(_inputs(3))
    assert server.counts()["requests"] == 3


@pytest.mark.parametrize("status", [400, 404, 413, 422, 501, 302])
def test_what_is_not_repeated(server: InferenceServer, status: int) -> None:
    server.reset(faults={"1": ["status", [status, None]]})
    teacher = Teacher.from_http(server.url("f64"), options=_options())
    with pytest.raises(TeacherError, match=f"got HTTP {status} .fault {status}.; expected HTTP 200"):
        teacher.ask(_inputs(3))
    assert server.counts()["requests"] == 1


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("kind", "message"), [
    ("shape", r"shape \[4, 3\]; expected shape \[3, 3\]"), ("datatype", "datatype INT64; expected datatype FP64")])
def test_wrong_answers(server: InferenceServer, kind: str, message: str, binary: bool) -> None:
    server.reset(faults={"1": [kind, None]})
    teacher = Teacher.from_http(server.url("f64"), options=_options(binary=binary))
    with pytest.raises(TeacherError, match=message):
        teacher.ask(_inputs(3))
    assert server.counts()["requests"] == 1


@pytest.mark.parametrize(("metadata", "message"), [
    ({"inputs": []}, "no inputs"),
    ({"inputs": [{"name": "a"}, {"name": "b"}]}, "2 inputs"),
    ({"inputs": [{"name": "x", "datatype": "INT64", "shape": [-1, 4]}]}, "datatype INT64"),
    ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, -1]}]}, r"shape \[-1, -1\]"),
    ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [4]}]}, r"shape \[4\]"),
    ({"inputs": [{"name": "x", "datatype": "FP64", "shape": "4"}]}, "shape 4"),
    ({"outputs": None}, "no outputs"),
    ({"outputs": [{"name": "y"}, {"name": "z"}]}, r"outputs \['y', 'z'\].*output=..."),
    ({"outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 3]}]}, "datatype BYTES"),
])
def test_metadata_that_cannot_be_used(server: InferenceServer, metadata: dict[str, Any], message: str) -> None:
    server.reset(metadata=metadata)
    with pytest.raises(TeacherError, match=message):
        Teacher.from_http(server.url("f64"), options=_options())
    counts = server.counts()
    assert (counts["requests"], counts["metadata_requests"]) == (0, 1)


def test_output_by_name(server: InferenceServer) -> None:
    outputs = [{"name": "label", "datatype": "INT64", "shape": [-1]}, {"name": "y", "datatype": "FP64",
                                                                       "shape": [-1, 3]}]
    server.reset(metadata={"outputs": outputs})
    x = _inputs(3)
    np.testing.assert_allclose(Teacher.from_http(server.url("f64"), options=_options(output="y")).ask(x), NETWORK(x),
                               rtol=1e-13)
    with pytest.raises(TeacherError, match="expected an output 'score'"):
        Teacher.from_http(server.url("f64"), options=_options(output="score"))


def test_no_such_model(server: InferenceServer) -> None:
    with pytest.raises(TeacherError, match=r"HTTP 404 .*Check the address, and the name"):
        Teacher.from_http(server.url("other"), options=_options())


def test_key_from_the_environment(server: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reset(authorization=f"Bearer {SECRET}")
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    options = _options(key_variable="TEACHER_KEY")
    teacher = HttpTeacher(server.url("f64"), options=options)
    x = _inputs(3)
    np.testing.assert_allclose(teacher.ask(x), NETWORK(x), rtol=1e-13)
    assert not any(SECRET in text for text in (repr(teacher), repr(options), teacher.name, teacher.fingerprint,
                                               repr(vars(teacher)), repr(vars(teacher._server))))
    with pytest.raises(TeacherError, match=r"HTTP 401 .not allowed: None .*HttpOptions.key_variable"):
        Teacher.from_http(server.url("f64"), options=_options())


def test_a_server_that_repeats_the_key(server: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reset(authorization="Bearer another")
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    with pytest.raises(TeacherError, match=r"HTTP 401 .not allowed: Bearer \*\*\*") as caught:
        Teacher.from_http(server.url("f64"), options=_options(key_variable="TEACHER_KEY"))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("key", "message"), [
    (None, "got no key"), ("  ", "got no key"), (f"{SECRET}\nX-Other: 1", "unusual"), (f"{SECRET}ä", "unusual")])
def test_missing_and_unusable_keys(monkeypatch: pytest.MonkeyPatch, key: str | None, message: str) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("TEACHER_KEY", key)
    with pytest.raises(BadInput, match=f"environment variable TEACHER_KEY: .*{message}") as caught:
        Teacher.from_http("http://127.0.0.1:9/v2/models/a", options=_options(key_variable="TEACHER_KEY"))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_login_and_query_of_the_address_are_used_and_hidden(server: InferenceServer) -> None:
    server.reset(authorization="Basic bWU6aHVudGVyMng=")  # me:hunter2x
    url = f"http://me:hunter2x@127.0.0.1:{server.port}/v2/models/f64?token=tok-7781"
    teacher = HttpTeacher(url, options=_options())
    assert teacher.ask(_inputs(2)).shape == (2, 3) and teacher.name == server.url("f64")
    server.reset(authorization="other")
    with pytest.raises(TeacherError, match="HTTP 401") as caught:
        teacher.ask(_inputs(2))
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(teacher)) + repr(vars(teacher._server))
    assert not any(secret in shown for secret in ("hunter2x", "tok-7781", "bWU6aHVudGVyMng="))


@pytest.mark.parametrize("option", [
    {"rows": 0}, {"rows": 2.0}, {"rows": True}, {"concurrency": 0}, {"rate": 0.0}, {"rate": float("nan")},
    {"timeout": None}, {"timeout": -1}, {"retries": -1}, {"backoff": float("inf")}, {"binary": 1}, {"output": ""},
    {"key_variable": "sk-123"}, {"key_variable": ""}])
def test_options_that_cannot_be_used(option: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"option {next(iter(option))}: ") as caught:
        HttpOptions(**option)
    assert "sk-123" not in str(caught.value)


def test_server_down() -> None:
    url = f"http://127.0.0.1:{_free_port()}/v2/models/a"
    with pytest.raises(TeacherError, match=r"ConnectError .* after 3 tries") as caught:
        open_teacher(url, http=_options(retries=2))
    assert KEPT in str(caught.value) and url in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"expandcluster\[http\]"):
        Teacher.from_http("http://127.0.0.1:9/v2/models/a")


def test_goes_on_after_the_server_was_killed(folder: Path, tmp_path: Path) -> None:
    x, path = _inputs(64), tmp_path / "answers.bin"
    with InferenceServer(folder) as first:
        teacher = Teacher.from_http(first.url("f64"), options=_options(concurrency=2, retries=1))
        answers = Answers(path, 3)
        ledger = Ledger(teacher, 64, answers)
        ledger.ask(x[:30])
        assert first.counts()["rows"] == 30
        first.kill()
        with pytest.raises(TeacherError, match=KEPT):
            ledger.ask(x)
        answers.close()
        with InferenceServer(folder, first.port) as second:
            again = Teacher.from_http(second.url("f64"), options=_options(concurrency=2))
            assert (again.name, again.fingerprint) == (teacher.name, teacher.fingerprint)
            answers = Answers(path, 3)
            ledger = Ledger(again, 64, answers)
            np.testing.assert_allclose(ledger.ask(x), NETWORK(x), rtol=1e-13)
            assert second.counts()["rows"] == 34 and ledger.queries == 64
            answers.close()


def test_what_was_answered_before_a_failure_is_kept(server: InferenceServer, tmp_path: Path) -> None:
    server.reset(faults={"4": ["status", [400, None]]})
    teacher = Teacher.from_http(server.url("f64"), options=_options())
    answers = Answers(tmp_path / "answers.bin", 3)
    with pytest.raises(TeacherError, match="HTTP 400"):
        Ledger(teacher, None, answers).ask(_inputs(64))
    assert len(answers) == 24 == 3 * teacher.batch
    ledger = Ledger(teacher, None, answers)
    ledger.ask(_inputs(64))
    assert server.counts()["rows"] == ledger.queries == 64
    answers.close()


def test_ledger_asks_in_the_batches_of_the_teacher() -> None:
    sizes: list[int] = []

    def function(x: np.ndarray) -> np.ndarray:
        sizes.append(len(x))
        return x[:, :1]

    teacher = Teacher.from_callable(function, 4, outputs=1, dtype=np.float64)
    assert teacher.batch == 4096
    teacher.batch = 10
    assert Ledger(teacher, None, None).ask(_inputs(25)).shape == (25, 1)
    assert sizes == [10, 10, 5]
