"""Requests to a server: paced, authorised, and repeated where that may help."""

from __future__ import annotations

import base64
import email.utils
import json
import os
import re
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from expandcluster.errors import BadInput, MissingExtra, TeacherError
from expandcluster.teachers.inference_protocol import HEADER_LENGTH, Address, Malformed

if TYPE_CHECKING:
    from expandcluster.teachers.http_teacher import HttpOptions

__all__ = ["Server"]

Result = TypeVar("Result")
_RETRIED = (429, 500, 502, 503, 504)
_LONGEST_PAUSE = 60.0  # seconds between two tries, where the server does not ask for more
_PATIENCE = 600.0  # seconds; a server that asks for a longer pause is not waited for


class _Again(Exception):
    """A request failed in a way that may pass; ``after`` is the pause in seconds the server asks for."""

    def __init__(self, got: str, after: float = 0.0) -> None:
        super().__init__(got)
        self.after = after


class Server:
    """A connection to one server, which several threads may use.

    Args:
        address: of the model; its query and login go with every request.
        options: pace, repeats, timeout and key.

    Raises:
        BadInput: the key is missing.
        MissingExtra: the extra ``http`` is not installed.
    """

    def __init__(self, address: Address, options: HttpOptions) -> None:
        try:
            import httpx
            import tenacity
        except ImportError as error:
            raise MissingExtra(error.name or "httpx", "http") from error
        self._httpx, self._tenacity = httpx, tenacity
        self._name, self._options, self._address = address.name, options, address
        self._key = _Key(address, options.key_variable)
        self._pace = _Pace(options.rate)
        self._client = httpx.Client(
            timeout=options.timeout,
            limits=httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency))
        self.close = weakref.finalize(self, self._client.close)

    def call(self, method: str, path: str, decode: Callable[[bytes, str | None], Result], body: bytes | None = None,
             headers: dict[str, str] | None = None, stop: threading.Event | None = None) -> Result:
        """The decoded answer to one request.

        Args:
            method: of HTTP.
            path: on the server.
            decode: what makes a result of the body and of the length of its JSON header.
            body: of the request.
            headers: of the request.
            stop: ends the repeats when it is set.

        Raises:
            TeacherError: the server refused, or every try failed.
        """
        tenacity, options, stop = self._tenacity, self._options, stop or threading.Event()
        backoff = tenacity.wait_random_exponential(multiplier=options.backoff, max=_LONGEST_PAUSE)
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            wait=lambda state: state.outcome.exception().after + backoff(state),
            stop=tenacity.stop_any(tenacity.stop_after_attempt(options.retries + 1),
                                   tenacity.stop_when_event_set(stop),
                                   lambda state: state.outcome.exception().after > _PATIENCE),
            sleep=stop.wait, reraise=True)
        try:
            return tries(self._once, method, path, decode, body, headers, stop)
        except _Again as last:
            pause = f", which asks for a pause of {last.after:.0f} s" if last.after > _PATIENCE else ""
            raise TeacherError(
                f"teacher {self._name}", got=f"{self._key.hide(str(last))}{pause}, after "
                f"{tries.statistics['attempt_number']} tries", expected="an answer",
                remedy="The run folder keeps all answers so far; when the server answers again, the same command "
                "goes on.") from None

    def _once(self, method: str, path: str, decode: Callable[[bytes, str | None], Result], body: bytes | None,
              headers: dict[str, str] | None, stop: threading.Event) -> Result:
        httpx, address = self._httpx, self._address
        self._pace.wait(stop)
        if stop.is_set():
            raise _Again("nothing, as it was no longer asked")
        url = address.server + path + (f"?{address.query}" if address.query else "")
        try:
            answer = self._client.request(method, url, content=body, headers=headers, auth=self._key)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            # the text of such an error can hold the headers of the request
            raise self._refused(f"{type(error).__name__} while sending", "Check the address.") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Again(f"{type(error).__name__} ({error})") from None
        if answer.status_code in _RETRIED:
            after = _seconds(answer.headers.get("Retry-After"))
            if after <= _PATIENCE:
                self._pace.pause(after)
            raise _Again(f"HTTP {answer.status_code} {self._said(answer)}".rstrip(), after)
        if answer.status_code != 200:
            raise self._refused(f"HTTP {answer.status_code} {self._said(answer)}".rstrip(),
                                _REMEDIES.get(answer.status_code, "Check the address, the model and the options."))
        try:
            return decode(answer.content, answer.headers.get(HEADER_LENGTH))
        except Malformed as error:
            raise _Again(f"a damaged answer ({error})") from None

    def _said(self, answer: Any) -> str:
        """The server's own words, without secrets and control characters."""
        try:
            words = str(json.loads(answer.content)["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        words = "".join(c if c.isprintable() else " " for c in self._key.hide(words))
        return f"({words[:200]})"

    def _refused(self, got: str, remedy: str) -> TeacherError:
        return TeacherError(f"teacher {self._name}", got=got, expected="HTTP 200 and an answer", remedy=remedy)


_REMEDIES = {401: "Put the key into an environment variable and name it: HttpOptions(key_variable=...).",
             403: "Check that the key may use this model: HttpOptions(key_variable=...).",
             404: "Check the address, and the name and version of the model.",
             413: "Ask for fewer inputs in one request: HttpOptions(rows=...)."}


class _Key:
    """Authorises requests; shows nothing of what it knows."""

    def __init__(self, address: Address, variable: str | None) -> None:
        self._header, self._login = None, address.login
        secrets = [*(address.login or ()), address.query, *re.split("[&=]", address.query),
                   base64.b64encode(":".join(address.login or ("",)).encode()).decode()]
        if variable is not None:
            key = os.environ.get(variable, "").strip()
            if not re.fullmatch(r"[\x21-\x7e]+", key):
                raise BadInput(f"environment variable {variable}",
                               got="a key with spaces or unusual characters" if key else "no key",
                               expected="the bearer key of the teacher", remedy=f"Set {variable} and try again.")
            self._header = f"Bearer {key}"
            secrets.append(key)
        self._secrets = sorted({s for s in secrets if len(s) > 3}, key=len, reverse=True)

    def __repr__(self) -> str:
        return "_Key(...)"

    def __call__(self, request: Any) -> Any:
        """What httpx calls with every request; a bearer key comes before a login in the address."""
        if self._header is not None:
            request.headers["Authorization"] = self._header
        elif self._login is not None:
            import httpx

            return next(httpx.BasicAuth(*self._login).sync_auth_flow(request))
        return request

    def hide(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Pace:
    """Spaces requests evenly, and holds all of them back while the server asks for a pause."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 0.0 if rate is None else 1.0 / rate
        self._lock, self._next = threading.Lock(), 0.0

    def wait(self, stop: threading.Event) -> None:
        """Returns when a request may be sent."""
        with self._lock:
            at = max(time.monotonic(), self._next)
            self._next = at + self._interval
        stop.wait(max(at - time.monotonic(), 0.0))

    def pause(self, seconds: float) -> None:
        """No request starts within so many seconds."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def _seconds(header: str | None) -> float:
    """Seconds that ``Retry-After`` asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(email.utils.parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
