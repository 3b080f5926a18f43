"""A model behind an inference server as a teacher (Open Inference Protocol, version 2, over REST)."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import math
import re
import threading

import numpy as np

from expandcluster.errors import BadInput, TeacherError
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.http_connection import Server
from expandcluster.teachers.inference_protocol import (
    decode_answer,
    encode_request,
    parse_address,
    parse_metadata,
)

__all__ = ["HttpOptions", "HttpTeacher"]


@dataclasses.dataclass(frozen=True)
class HttpOptions:
    """How a server is asked.

    Attributes:
        rows: inputs in one request.
        concurrency: requests under way at the same time.
        rate: requests in a second, all together; ``None`` for no limit.
        timeout: seconds to wait for a connection, and for each next piece of an answer.
        retries: how often a request that failed is repeated.
        backoff: seconds; the pause before repeat ``n`` is drawn between 0 and ``backoff * 2**n``.
        binary: send raw bytes instead of JSON numbers (binary tensor data extension); ``None`` does
            so where the server lists the extension.
        output: name of the output tensor; ``None`` if there is only one.
        key_variable: name of the environment variable that holds the bearer key; ``None`` for no key.

    Raises:
        BadInput: one of them cannot be used.
    """

    rows: int = 256
    concurrency: int = 4
    rate: float | None = None
    timeout: float = 60.0
    retries: int = 6
    backoff: float = 0.5
    binary: bool | None = None
    output: str | None = None
    key_variable: str | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "concurrency", "retries"):
            value, least = getattr(self, name), 0 if name == "retries" else 1
            if type(value) is not int or value < least:
                raise _bad_option(name, repr(value), f"an integer of at least {least}")
        for name in ("rate", "timeout", "backoff"):
            value = getattr(self, name)
            number = type(value) in (int, float) and math.isfinite(value) and value > 0
            if not number and not (name == "rate" and value is None):
                raise _bad_option(name, repr(value), "a positive number" + (" or None" if name == "rate" else ""))
        if self.binary is not None and type(self.binary) is not bool:
            raise _bad_option("binary", repr(self.binary), "True, False or None")
        if self.output is not None and not (isinstance(self.output, str) and self.output):
            raise _bad_option("output", repr(self.output), "the name of an output or None")
        variable = self.key_variable
        if variable is not None and not (isinstance(variable, str) and re.fullmatch(r"[A-Za-z_]\w*", variable)):
            # it may be the key itself, so it is not repeated
            raise _bad_option("key_variable", "what is no name of a variable", "the name of an environment variable")


def _bad_option(name: str, got: str, expected: str) -> BadInput:
    return BadInput(f"option {name}", got=got, expected=expected, remedy="Change this option.")


class HttpTeacher(Teacher):
    """See :meth:`Teacher.from_http`."""

    def __init__(self, url: str, model: str | None = None, options: HttpOptions | None = None) -> None:
        self.options = options = options or HttpOptions()
        self._address = parse_address(url, model)
        self._server = Server(self._address, options)
        self._model = self._server.call("GET", self._address.path,
                                        lambda body, _: parse_metadata(body, self._address, options.output))
        self._binary = self._choose_binary()
        self._rows = self._model.input.batch or options.rows
        shape, known = self._model.input.shape, self._model.output.shape
        inputs, asked = math.prod(shape or ()), 0
        if known is None:
            self.name, asked = self._address.name, 1
            outputs = self._infer(np.zeros((1, inputs)), threading.Event()).shape[1]
        else:
            outputs = math.prod(known)
        coarser = min(self._model.input.dtype, self._model.output.dtype, key=lambda dtype: dtype.itemsize)
        super().__init__(inputs, outputs, coarser.newbyteorder("="), self._address.name,
                         fingerprint=self._model.fingerprint, asked=asked)
        self.batch = self._rows * options.concurrency

    def ask(self, x: np.ndarray) -> np.ndarray:
        """The server's answers, asked for in requests of ``options.rows`` inputs, several at a time.

        Raises:
            TeacherError: the server refused, answered with what is not asked for, or gave no answer
                within the allowed repeats.
        """
        stop = threading.Event()
        parts = [x[i : i + self._rows] for i in range(0, len(x), self._rows)]
        pool = concurrent.futures.ThreadPoolExecutor(self.options.concurrency, "teacher")
        try:
            requests = [pool.submit(self._infer, part, stop) for part in parts]
            failed = concurrent.futures.wait(requests, return_when=concurrent.futures.FIRST_EXCEPTION).done
            for request in failed:
                request.result()
            return np.concatenate([request.result() for request in requests] or [np.zeros((0, self.outputs))])
        finally:  # also when interrupted: requests under way are not repeated, those that wait are not sent
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close the connections to the server."""
        self._server.close()

    def _infer(self, x: np.ndarray, stop: threading.Event) -> np.ndarray:
        samples = len(x)
        if self._model.input.batch is not None:
            x = np.concatenate([x, np.repeat(x[:1], self._rows - samples, axis=0)])
        body, headers = encode_request(self._model, x, binary=self._binary)
        return self._server.call(
            "POST", f"{self._address.path}/infer",
            lambda content, length: decode_answer(content, length, self._model, len(x), self.name),
            body, headers, stop)[:samples]

    def _choose_binary(self) -> bool:
        half = "FP16" in (self._model.input.datatype, self._model.output.datatype)
        if half and self.options.binary is False:
            raise BadInput("option binary", got="False for a model of datatype FP16", expected="True",
                           remedy="The protocol has no JSON form of FP16.")
        if half or self.options.binary is not None:
            return True if half else bool(self.options.binary)
        root = self._address.path.partition("/models/")[0]
        try:
            extensions = self._server.call("GET", root, lambda body, _: json.loads(body).get("extensions"))
        except (TeacherError, ValueError, AttributeError):  # not every server describes itself
            return False
        return isinstance(extensions, list) and "binary_tensor_data" in extensions
