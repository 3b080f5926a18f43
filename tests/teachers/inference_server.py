"""A server process that speaks the Open Inference Protocol v2 and fails on command.

Run as a program it serves every ``NAME.onnx`` of a folder on loopback and prints its port; the class
``InferenceServer`` starts it and reads its counters. It is written against the protocol's text and
shares no code with the package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2"}
OF_ONNX = {11: "FP64", 1: "FP32", 10: "FP16", 7: "INT64"}


class InferenceServer:
    """Starts the server and talks to its control page.

    Args:
        folder: of the ONNX files.
        port: to listen at; 0 for any free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._process = subprocess.Popen([sys.executable, __file__, str(folder), str(port)], stdout=subprocess.PIPE,
                                         text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip():
            raise RuntimeError("the server did not start")
        self.port = int(line)

    def __enter__(self) -> InferenceServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process at once, in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def url(self, model: str) -> str:
        """Address of a model."""
        return f"http://127.0.0.1:{self.port}/v2/models/{model}"

    def reset(self, **settings: Any) -> None:
        """Forget all counts and settings, and take new ones.

        Args:
            settings: ``faults`` maps the number of an inference request (from 1) to ``[kind, value]``; ``metadata``
                replaces entries of every model's metadata; ``metadata_faults`` are as ``faults``, of metadata
                requests; ``authorization`` is the header demanded; ``extensions`` those listed;
                ``delay`` seconds before every answer.
        """
        body = json.dumps(settings).encode()
        with urllib.request.urlopen(urllib.request.Request(self._control, body, method="POST"), timeout=10) as answer:
            assert answer.status == 200

    def counts(self) -> dict[str, Any]:
        """Of inference: ``requests``, ``rows`` answered in full, ``sizes``, ``times``, ``most_at_once``, ``binary``."""
        with urllib.request.urlopen(self._control, timeout=10) as answer:
            counts: dict[str, Any] = json.load(answer)
        return counts

    @property
    def _control(self) -> str:
        return f"http://127.0.0.1:{self.port}/control"


class _Model:
    """An ONNX file, run by onnxruntime or by onnx's reference evaluator."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        model = onnx.load(str(path))
        self.inputs, self.outputs = ([self._entry(v) for v in values] for values in (model.graph.input,
                                                                                     model.graph.output))
        self._run: Any = ReferenceEvaluator(model)
        if self.inputs[0]["datatype"] == "FP32":
            import onnxruntime

            self._run = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    @staticmethod
    def _entry(value: Any) -> dict[str, Any]:
        kind = value.type.tensor_type
        return {"name": value.name, "datatype": OF_ONNX[kind.elem_type],
                "shape": [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self._run.run([self.outputs[0]["name"]], {self.inputs[0]["name"]: x})[0]


class _State:
    """Counters and settings, shared by the threads."""

    def __init__(self, folder: Path) -> None:
        self.models = {path.stem: _Model(path) for path in sorted(folder.glob("*.onnx"))}
        self.lock = threading.Lock()
        self.reset({})

    def reset(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.counts: dict[str, Any] = {"requests": 0, "metadata_requests": 0, "rows": 0, "sizes": [], "times": [],
                                       "most_at_once": 0, "binary": 0}
        self.at_once = 0

    def fault(self, counter: str, table: str) -> tuple[str, Any]:
        """Counts a request and tells the fault of its number."""
        with self.lock:
            self.counts[counter] += 1
            kind, value = self.settings.get(table, {}).get(str(self.counts[counter]), ("none", None))
        return kind, value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: _State

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        state = self.state
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts == ["control"]:
            with state.lock:
                return self._send(200, state.counts)
        if parts == ["v2"]:
            return self._send(200, {"name": "test", "extensions": state.settings.get("extensions", [])})
        fault = state.fault("metadata_requests", "metadata_faults")
        if not self._allowed():
            return None
        model = self._model(parts)
        if model is None:
            return None
        about = {"name": parts[2], "versions": ["1"], "platform": "onnx", "inputs": model.inputs,
                 "outputs": model.outputs, **state.settings.get("metadata", {})}
        return self._answer(fault, json.dumps(about).encode(), {})

    def do_POST(self) -> None:
        state = self.state
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/control":
            with state.lock:
                state.reset(json.loads(body))
            return self._send(200, {})
        with state.lock:
            state.counts["times"].append(time.monotonic())
        return self._infer(body, state.fault("requests", "faults"))

    def _infer(self, body: bytes, fault: tuple[str, Any]) -> None:
        state = self.state
        parts = self.path.partition("?")[0].strip("/").split("/")
        model = self._model(parts[:-1]) if self._allowed() else None
        if model is None:
            return None
        length = self.headers.get("Inference-Header-Content-Length")
        header = json.loads(body if length is None else body[: int(length)])
        tensor, wanted = header["inputs"][0], header["outputs"][0]
        if length is None:
            x = np.array(tensor["data"], np.float64).astype(TYPES[tensor["datatype"]])
        else:
            raw = body[int(length) :]
            assert len(raw) == tensor["parameters"]["binary_data_size"]
            x = np.frombuffer(raw, TYPES[tensor["datatype"]])
        declared = model.inputs[0]
        if tensor["name"] != declared["name"] or tensor["datatype"] != declared["datatype"]:
            return self._send(400, {"error": "unexpected input"})
        with state.lock:
            state.at_once += 1
            state.counts["most_at_once"] = max(state.counts["most_at_once"], state.at_once)
        time.sleep(state.settings.get("delay", 0))
        y = np.asarray(model(x.reshape(tensor["shape"])))
        with state.lock:  # counted before it is sent, so that whoever has an answer finds it counted
            state.at_once -= 1
            state.counts["rows"] += len(y) if fault[0] == "none" else 0
            state.counts["sizes"].append(len(y))
            state.counts["binary"] += length is not None
        output = {"name": wanted["name"], "shape": list(y.shape), "datatype": model.outputs[0]["datatype"]}
        if fault[0] == "shape":
            output["shape"] = [len(y) + 1, y.shape[1]]
        if fault[0] == "datatype":
            output["datatype"] = "INT64"
        raw = b""
        if wanted.get("parameters", {}).get("binary_data"):
            # an output nobody wants comes first, so that the wanted one must be looked for
            raw = b"\0" * 3 + y.astype(TYPES[model.outputs[0]["datatype"]]).tobytes()
            output["parameters"] = {"binary_data_size": len(raw) - 3}
            other = {"name": "other", "shape": [3], "datatype": "UINT8", "parameters": {"binary_data_size": 3}}
            answer = json.dumps({"outputs": [other, output]}).encode()
        else:
            output["data"] = y.astype(np.float64).tolist()
            answer = json.dumps({"outputs": [output]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(answer))} if raw else {}
        return self._answer(fault, answer + raw, headers)

    def _model(self, parts: list[str]) -> _Model | None:
        name = parts[2] if parts[:2] == ["v2", "models"] and len(parts) in (3, 5) else ""
        if name not in self.state.models or parts[3:] not in ([], ["versions", "1"]):
            self._send(404, {"error": f"no model at {self.path}"})
            return None
        return self.state.models[name]

    def _allowed(self) -> bool:
        demanded, came = self.state.settings.get("authorization"), self.headers.get("Authorization")
        if demanded is None or came == demanded:
            return True
        self._send(401, {"error": f"not allowed: {came} at {self.path}"})  # repeats the secret, as some servers do
        return False

    def _answer(self, fault: tuple[str, Any], body: bytes, headers: dict[str, str]) -> None:
        """Sends a body, or fails as told."""
        kind, value = fault
        if kind == "status":
            code, wait = value
            return self._send(code, {"error": f"fault {code}"}, {} if wait is None else {"Retry-After": str(wait)})
        if kind == "slow":
            time.sleep(value)
            self.close_connection = True
            return None
        whole = len(body)
        if kind in ("truncated", "cut"):
            body = body[: whole // 2]
        self.send_response(200)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(whole if kind == "cut" else len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or kind == "cut"
        return None

    def _send(self, code: int, message: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(message).encode()
        self.send_response(code)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until killed."""
    _Handler.state = _State(Path(sys.argv[1]))
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
