"""The file of all answers of a run: a record of fixed size for each, appended and synced before use.

A record is the 16-byte hash of the input and the answer's float64 numbers. A run that is killed in
the middle of a record loses that record only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np

from expandcluster.errors import ExpandClusterError, RunFolderError

__all__ = ["Answers"]


class Answers:
    """Stored answers, found by input.

    Attributes:
        used: records that finished stages, or this sitting, have made use of: the count of queries.

    Args:
        path: of the file.
        outputs: numbers in one answer.
    """

    def __init__(self, path: Path, outputs: int) -> None:
        self.path = path
        self._record = np.dtype([("key", "V16"), ("y", "<f8", (outputs,))])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        whole = path.stat().st_size // self._record.itemsize
        self._file.truncate(whole * self._record.itemsize)
        stored = np.fromfile(path, self._record, whole)
        self._y = stored["y"].copy()
        self._place = {key: i for i, key in enumerate(stored["key"].tobytes()[i : i + 16]
                                                      for i in range(0, 16 * whole, 16))}
        self._count = whole
        self._used = np.zeros(max(whole, 1024), bool)
        self.used = 0

    def __len__(self) -> int:
        return self._count

    def use_first(self, count: int) -> None:
        """The first ``count`` records were used by stages that are finished.

        Raises:
            RunFolderError: there are fewer records than that.
        """
        if count > self._count:
            raise RunFolderError(f"answers in {self.path}", got=f"{self._count} records",
                                 expected=f"at least {count}, which finished stages have used",
                                 remedy="The file was cut or replaced; start a new run in another folder.")
        self._used[:count] = True
        self.used = int(self._used[: self._count].sum())

    def keys(self, x: np.ndarray, again: int = 0) -> list[bytes]:
        """Hashes of the inputs ``(samples, inputs)``."""
        salt = bytes([again])
        return [hashlib.blake2b(row.tobytes(), digest_size=16, key=salt).digest() for row in np.ascontiguousarray(x)]

    def unused(self, keys: list[bytes]) -> np.ndarray:
        """Which of them this run has not yet counted as queries: not stored, or stored by a killed sitting.

        Of equal keys only the first is to be counted.
        """
        places = self._places(keys)
        first = np.zeros(len(keys), bool)
        first[list({key: i for i, key in reversed(list(enumerate(keys)))}.values())] = True
        return first & ((places < 0) | ~self._used[places])

    def missing(self, keys: list[bytes]) -> np.ndarray:
        """Which of them are not stored."""
        return self._places(keys) < 0

    def add(self, keys: list[bytes], y: np.ndarray) -> None:
        """Store answers; returns when they are on the disk."""
        records = np.zeros(len(keys), self._record)
        records["key"] = np.frombuffer(b"".join(keys), "V16")
        records["y"] = y
        try:
            self._file.write(records.tobytes())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ExpandClusterError(f"answers could not be written to {self.path} ({error.strerror}); those stored "
                                     "before are kept. Free space and run the same command again.") from error
        start, self._count = self._count, self._count + len(keys)
        if self._count > len(self._y):
            self._y = np.concatenate([self._y, np.zeros((max(self._count, 1024), y.shape[1]))])
            self._used = np.concatenate([self._used, np.zeros(max(self._count, 1024), bool)])
        self._y[start : self._count] = y
        self._place.update(zip(keys, range(start, self._count), strict=True))

    def get(self, keys: list[bytes]) -> np.ndarray:
        """Stored answers ``(samples, outputs)``, counted as used from now on."""
        places = self._places(keys)
        fresh = np.unique(places[~self._used[places]])
        self._used[fresh] = True
        self.used += len(fresh)
        return self._y[places].copy()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # all that was asked is stored, or an error was raised before
            self._file.close()

    def _places(self, keys: list[bytes]) -> np.ndarray:
        return np.array([self._place.get(key, -1) for key in keys], dtype=np.int64)
