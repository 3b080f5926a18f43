"""What training has reached, in the run folder: finished students for good, unfinished ones every so many seconds.

    training/STAGE/000001.safetensors  students whose training is finished
    training/STAGE/state.safetensors   those that are on their way, and the seconds spent

Every training of a student has a key, a hash of all it depends on: first parameters, samples, trainer, options.
A stage that is run again after a kill asks for the same trainings in the same order, and finds here what was
reached. What something else has reached has other keys, and is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from expandcluster.activations import Activation
from expandcluster.errors import BadInput
from expandcluster.storage import array_names, read_arrays, write_arrays

__all__ = ["Checkpoints", "checkpointed", "fingerprint", "in_use", "remove", "store_now"]

_SLICE = 1.0  # seconds of training after which the clock is looked at, at most
_STATE = "state.safetensors"


class Checkpoints:
    """Trainings of one stage, in memory and on the disk. Threads may share it.

    Attributes:
        interval: seconds after which what is new is written.
        slice: seconds of training between two looks at the clock.

    Args:
        folder: made with the first file.
        interval: see above.

    Raises:
        BadInput: a file in the folder is damaged.
    """

    def __init__(self, folder: Path, interval: float) -> None:
        self.interval, self.slice = interval, min(_SLICE, interval / 4)
        self._folder, self._due = folder, interval - self.slice
        self._lock = threading.RLock()
        self._finished = {key: path for path in sorted(folder.glob("[0-9]*.safetensors"))
                          for key in {name.partition(".")[0] for name in array_names(path)}}
        self._open: tuple[Path | None, dict[str, dict[str, np.ndarray]]] = None, {}
        self._new: dict[str, dict[str, np.ndarray]] = {}
        self._states, self._before = self._read_states()
        self._files = len(set(self._finished.values()))
        self._start = self._written = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds spent on this stage, those of killed sittings included as far as they were stored."""
        return self._before + time.monotonic() - self._start

    def finished(self, key: str) -> dict[str, np.ndarray] | None:
        """Where a training ended; ``None`` where it has not."""
        with self._lock:
            if key in self._new:
                return self._new[key]
            path = self._finished.get(key)
            if path is not None and self._open[0] != path:  # asked for in the order they were written
                self._open = path, _apart(read_arrays(path)[0])
            return None if path is None else self._open[1][key]

    def state(self, key: str) -> dict[str, np.ndarray] | None:
        """How far a training has come; ``None`` where nothing of it is stored."""
        with self._lock:
            return self._states.get(key)

    def keep(self, key: str, state: dict[str, np.ndarray]) -> None:
        """How far a training has come; written when it is time."""
        with self._lock:
            self._states[key] = state
            self._write_if_due()

    def finish(self, key: str, end: dict[str, np.ndarray]) -> None:
        """Where a training ended; written when it is time."""
        with self._lock:
            self._states.pop(key, None)
            self._new[key] = end
            self._write_if_due()

    def write(self) -> None:
        """Write what is new now.

        Raises:
            ExpandClusterError: the disk is full; what was written before is kept.
        """
        with self._lock:
            if not (self._new or self._states or self._folder.is_dir()):
                return
            if self._new:
                path = self._folder / f"{self._files + 1:06d}.safetensors"
                write_arrays(path, _joined(self._new), {})
                self._finished.update(dict.fromkeys(self._new, path))
                self._new, self._files = {}, self._files + 1
            write_arrays(self._folder / _STATE, _joined(self._states), {"seconds": repr(self.seconds)})
            self._written = time.monotonic()

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written >= self._due:
            self.write()

    def _read_states(self) -> tuple[dict[str, dict[str, np.ndarray]], float]:
        path = self._folder / _STATE
        if not path.exists():
            return {}, 0.0
        arrays, header = read_arrays(path)
        try:
            return _apart(arrays), float(header["seconds"])
        except (KeyError, ValueError) as error:
            raise BadInput(f"file {path}", got=f"contents that do not fit ({error})", expected="states of students",
                           remedy="Remove it: the students on their way are then trained from their start.") from error


def _apart(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    trainings: dict[str, dict[str, np.ndarray]] = {}
    for both, array in arrays.items():
        key, _, name = both.partition(".")
        trainings.setdefault(key, {})[name] = array
    return trainings


def _joined(trainings: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {f"{key}.{name}": array for key, arrays in trainings.items() for name, array in arrays.items()}


_IN_USE: contextvars.ContextVar[Checkpoints | None] = contextvars.ContextVar("checkpoints", default=None)


def in_use() -> Checkpoints | None:
    """The checkpoints of the stage that is running; ``None`` where there is no run folder."""
    return _IN_USE.get()


def store_now() -> None:
    """Write what is new, if there is a run folder."""
    checkpoints = in_use()
    if checkpoints is not None:
        checkpoints.write()


@contextlib.contextmanager
def checkpointed(folder: Path, interval: float) -> Iterator[Checkpoints]:
    """Trainings in this context are kept in ``folder``, and so they are when it is left by Ctrl-C or an error."""
    checkpoints = Checkpoints(folder, interval)
    token = _IN_USE.set(checkpoints)
    try:
        yield checkpoints
    except BaseException:
        checkpoints.write()
        raise
    finally:
        _IN_USE.reset(token)


def remove(folder: Path) -> None:
    """Remove checkpoints that are not needed any more."""
    shutil.rmtree(folder, ignore_errors=True)


def fingerprint(*parts: Any) -> str:
    """A hash of numbers, arrays, words, activations, functions of modules, and tuples and dataclasses of them.

    Example:
        >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2)), fingerprint(1) == fingerprint(1.0)
        (True, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    for piece in _bytes(parts):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


def _bytes(value: Any) -> Iterator[bytes | memoryview]:
    if isinstance(value, (jax.Array, np.ndarray, np.generic)):
        array = np.asarray(value)
        yield f"{array.dtype} {array.shape}".encode()
        yield array.tobytes()
    elif hasattr(value, "__qualname__") and "<" not in value.__qualname__:  # what is made in a function may hold more
        yield f"{value.__module__}.{value.__qualname__}".encode()
    elif isinstance(value, Activation):
        yield value.name.encode()
    elif isinstance(value, functools.partial):
        yield from _bytes((value.func, value.args, *sorted(value.keywords.items())))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _bytes((type(value), *((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))))
    elif isinstance(value, tuple):
        yield f"{type(value).__qualname__} {len(value)}".encode()
        for entry in value:
            yield from _bytes(entry)
    elif value is None or isinstance(value, (str, int, float)):
        yield repr(value).encode()
    else:
        raise TypeError(f"a {type(value).__name__} has no fingerprint")
