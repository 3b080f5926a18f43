"""Messages of the Open Inference Protocol, version 2, over REST: addresses, metadata, requests and answers.

Tensors travel as JSON numbers, or as raw bytes behind the JSON (the binary tensor data extension):
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from typing import Any, TypeGuard
from urllib.parse import quote, unquote, urlsplit

import numpy as np

from expandcluster.errors import BadInput, TeacherError

__all__ = ["HEADER_LENGTH", "Address", "Malformed", "Model", "Tensor", "decode_answer", "encode_request",
           "parse_address", "parse_metadata"]

HEADER_LENGTH = "Inference-Header-Content-Length"
_TYPES: dict[str, np.dtype] = {"FP64": np.dtype("<f8"), "FP32": np.dtype("<f4"), "FP16": np.dtype("<f2")}
_PATH = re.compile(r"(?P<root>.*)/v2/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?(/infer)?/?")
_FORM = "http://HOST:PORT/v2/models/NAME or http://HOST:PORT/v2/models/NAME/versions/V"


class Malformed(Exception):
    """An answer that was cut short or is no message of the protocol; asking again may help."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a model is served.

    Attributes:
        server: address of the server, without user, password and query.
        path: of the model on that server.
        model: name of the model.
        version: its version, ``None`` for the one the server chooses.
        query: query string of every request; it may hold a secret and is in no message.
        login: user and password; in no message either.
    """

    server: str
    path: str
    model: str
    version: str | None
    query: str = dataclasses.field(default="", repr=False)
    login: tuple[str, str] | None = dataclasses.field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Address of the model, without secrets."""
        return self.server + self.path


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: of the tensor.
        datatype: ``FP64``, ``FP32`` or ``FP16``.
        batch: number of rows the model insists on; ``None`` for any.
        shape: of one row, ``None`` where the server does not say.
    """

    name: str
    datatype: str
    batch: int | None
    shape: tuple[int, ...] | None

    @property
    def dtype(self) -> np.dtype:
        """Its numbers in NumPy."""
        return _TYPES[self.datatype]


@dataclasses.dataclass(frozen=True)
class Model:
    """What a server says of a model.

    Attributes:
        input: its one input.
        output: the output that is asked for.
        fingerprint: changes with the metadata.
    """

    input: Tensor
    output: Tensor
    fingerprint: str


def parse_address(url: str, model: str | None = None) -> Address:
    """Split the address of a model.

    Args:
        url: of the model, ``http://host:port/v2/models/NAME[/versions/V]``; of the server if ``model`` is given.
        model: name of the model.

    Raises:
        BadInput: it is no such address. The message leaves out user, password and query.

    Example:
        >>> parse_address("https://user:password@host:8000/v2/models/net/versions/3?token=1").name
        'https://host:8000/v2/models/net/versions/3'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadInput("address of the teacher", got="a host or port that cannot be read", expected=_FORM,
                       remedy="Check the address.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BadInput("address of the teacher", got=f"scheme '{parts.scheme}' and host '{host or ''}'",
                       expected=_FORM, remedy="Check the address.")
    where = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    server = f"{parts.scheme}://{where}"
    found = _PATH.fullmatch(parts.path)
    if (found is None) == (model is None):
        raise BadInput(f"address of the teacher {server}{parts.path}",
                       got="no model" if model is None else f"a model in the address and the model '{model}'",
                       expected=_FORM, remedy="Name the model once, in the address or as model=... .")
    if found is not None:
        root, name, version = found["root"], unquote(found["model"]), found["version"]
    else:
        root, name, version = parts.path.rstrip("/").removesuffix("/v2"), str(model), None
    path = f"{root}/v2/models/{quote(name, safe='')}" + (f"/versions/{version}" if version else "")
    login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return Address(server, path, name, version, parts.query, login)


def parse_metadata(content: bytes, address: Address, output: str | None) -> Model:
    """What a server answers to ``GET v2/models/NAME``.

    Args:
        content: the answer's body.
        address: of the model.
        output: name of the output to ask for; ``None`` if it has only one.

    Raises:
        Malformed: the body is no JSON object.
        BadInput: the model has not one input of fixed size, or no such output.
    """
    about = _json(content)
    inputs, outputs = _tensors(about, "inputs", address), _tensors(about, "outputs", address)
    if len(inputs) != 1:
        raise _unusable(address, f"{len(inputs)} inputs", "one input", "Serve a model with a single input tensor.")
    names = [str(t.get("name")) for t in outputs]
    if output is None and len(names) == 1:
        output = names[0]
    if output is None or output not in names:
        raise _unusable(address, f"outputs {names}", "one output" if output is None else f"an output '{output}'",
                        "Choose one of them: HttpOptions(output=...).")
    source, target = _tensor(inputs[0], address), _tensor(outputs[names.index(output)], address, flat=True)
    if source.shape is None:
        raise _unusable(address, f"an input of shape {inputs[0]['shape']}",
                        "a shape [-1, inputs] whose sizes after the first are fixed", "Serve it with a fixed input.")
    # where no version is named the server chooses one, and another choice is another teacher
    known = [address.model, address.version, None if address.version else about.get("versions"),
             about.get("platform"), dataclasses.astuple(source), dataclasses.astuple(target)]
    return Model(source, target, hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16])


def _tensors(about: dict[str, Any], which: str, address: Address) -> list[dict[str, Any]]:
    found = about.get(which)
    if not isinstance(found, list) or not found or not all(isinstance(t, dict) for t in found):
        raise _unusable(address, f"no {which}", f"{which} with name, datatype and shape",
                        "The server must give the metadata of the model (Open Inference Protocol v2).")
    return found


def _tensor(entry: dict[str, Any], address: Address, *, flat: bool = False) -> Tensor:
    """A tensor of the metadata; ``flat`` allows one number for each row without a second axis."""
    name, datatype, shape = str(entry.get("name")), entry.get("datatype"), entry.get("shape")
    if datatype not in _TYPES:
        raise _unusable(address, f"datatype {datatype} of '{name}'", " or ".join(_TYPES),
                        "Serve a model of floating-point numbers.")
    if not _is_shape(shape, least=-1) or len(shape) < (1 if flat else 2) or shape[0] == 0:
        raise _unusable(address, f"shape {shape} of '{name}'", "a shape [-1, size]",
                        "Serve the model with a first axis for the batch.")
    rest = tuple(shape[1:])
    return Tensor(name, datatype, shape[0] if shape[0] > 0 else None, rest if all(n > 0 for n in rest) else None)


def _is_shape(shape: Any, least: int) -> TypeGuard[list[int]]:
    return isinstance(shape, list) and all(type(n) is int and n >= least for n in shape)


def _unusable(address: Address, got: str, expected: str, remedy: str) -> TeacherError:
    return TeacherError(f"metadata of {address.name}", got=got, expected=expected, remedy=remedy)


def encode_request(model: Model, x: np.ndarray, *, binary: bool) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request for the answers to ``x`` ``(samples, inputs)``.

    Args:
        model: who is asked.
        x: inputs; they are rounded to the datatype of the model.
        binary: send, and ask for, raw bytes.
    """
    shape = [len(x), *(model.input.shape or ())]
    values = np.ascontiguousarray(x, dtype=model.input.dtype)
    tensor: dict[str, Any] = {"name": model.input.name, "shape": shape, "datatype": model.input.datatype}
    wanted: dict[str, Any] = {"name": model.output.name}
    if binary:
        tensor["parameters"], wanted["parameters"] = {"binary_data_size": values.nbytes}, {"binary_data": True}
    else:
        tensor["data"] = values.astype(np.float64).ravel().tolist()  # Python writes them so that they read back equal
    header = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    if not binary:
        return header, {"Content-Type": "application/json"}
    return header + values.tobytes(), {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header))}


def decode_answer(content: bytes, header_length: str | None, model: Model, samples: int, name: str) -> np.ndarray:
    """The answers ``(samples, outputs)`` in a body.

    Args:
        content: the body.
        header_length: bytes of JSON before the raw tensors; ``None`` if it is all JSON.
        model: who answered.
        samples: how many answers were asked for.
        name: of the teacher, for messages.

    Raises:
        Malformed: the body is cut short or cannot be read.
        TeacherError: its tensor is not the one asked for, or of another shape or datatype.
    """
    if header_length is not None and not (header_length.isdecimal() and int(header_length) <= len(content)):
        raise Malformed(f"{len(content)} bytes, less than the header")
    split = len(content) if header_length is None else int(header_length)
    outputs, raw = _json(content[:split]).get("outputs"), content[split:]
    if not isinstance(outputs, list) or not all(isinstance(t, dict) for t in outputs):
        raise _wrong(name, "no outputs", f"the output '{model.output.name}'")
    start = 0
    for tensor in outputs:
        size = _binary_size(tensor)
        if tensor.get("name") == model.output.name:
            return _values(tensor, None if size is None else raw[start : start + size], model.output, samples, name)
        start += size or 0
    raise _wrong(name, f"outputs {[t.get('name') for t in outputs]}", f"the output '{model.output.name}'")


def _values(tensor: dict[str, Any], raw: bytes | None, output: Tensor, samples: int, name: str) -> np.ndarray:
    if tensor.get("datatype") != output.datatype:
        raise _wrong(name, f"datatype {tensor.get('datatype')}", f"datatype {output.datatype}")
    shape = tensor.get("shape")
    width = None if output.shape is None else math.prod(output.shape)
    if not _is_shape(shape, least=1) or shape[:1] != [samples] or width not in (None, math.prod(shape[1:])):
        raise _wrong(name, f"shape {shape}", f"shape {[samples, -1 if width is None else width]}")
    count = math.prod(shape)
    if raw is None:
        try:
            values = np.asarray(tensor.get("data"), dtype=np.float64).ravel()
        except (TypeError, ValueError):
            raise _wrong(name, "data that are no numbers", f"{count} numbers") from None
        if len(values) != count:
            raise _wrong(name, f"{len(values)} numbers for shape {shape}", f"{count} numbers")
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused as such
            return values.astype(output.dtype).reshape(samples, -1)
    size = _binary_size(tensor)
    if size != count * output.dtype.itemsize:
        raise _wrong(name, f"{size} bytes for shape {shape}", f"{count * output.dtype.itemsize} bytes")
    if len(raw) != size:
        raise Malformed(f"{len(raw)} of {size} bytes")
    return np.frombuffer(raw, output.dtype).reshape(samples, -1)


def _binary_size(tensor: dict[str, Any]) -> int | None:
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    return size if type(size) is int and size >= 0 else None


def _wrong(name: str, got: str, expected: str) -> TeacherError:
    return TeacherError(f"an answer of {name}", got=got, expected=expected,
                        remedy="The server does not keep to the metadata of the model; mend or redeploy it.")


def _json(content: bytes) -> dict[str, Any]:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError):
        raise Malformed(f"{len(content)} bytes that are no JSON") from None
    if not isinstance(message, dict):
        raise Malformed("JSON that is no object")
    return message
