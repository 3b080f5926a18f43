"""The idx format of MNIST and Fashion-MNIST (LeCun, Cortes, Burges: The MNIST database of handwritten digits).

Two zero bytes, a byte for the type, one for the number of dimensions, each dimension in four bytes, then the numbers;
all of them big-endian.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from expandcluster.data.files import check_size, unzipped
from expandcluster.errors import BadInput

__all__ = ["is_idx", "read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(start: bytes) -> bool:
    """Whether a file that starts with these four bytes is an idx file.

    Example:
        >>> is_idx(bytes([0, 0, 8, 3])), is_idx(b"PK")
        (True, False)
    """
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _TYPES and 1 <= start[3] <= 5


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file, also of one packed with gzip.

    Raises:
        BadInput: it is no idx file, too short or too long.
    """
    data = unzipped(path)
    if not is_idx(data[:4]):
        raise BadInput(f"idx file {path}", got=f"a file that starts with {data[:4].hex(' ') or 'nothing'}",
                       expected="00 00, a type and the number of dimensions", remedy="Check what file it is.")
    head = 4 + 4 * data[3]
    if len(data) < head:
        raise BadInput(f"idx file {path}", got=f"{len(data)} bytes", expected=f"at least {head}, its head",
                       remedy="Load the file again: it is cut off.")
    kind = np.dtype(_TYPES[data[2]])
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    size = math.prod(shape) * kind.itemsize
    check_size(size, f"idx file {path}")
    if len(data) != head + size:
        cut = len(data) < head + size
        raise BadInput(f"idx file {path}", got=f"{len(data) - head:,} bytes of numbers",
                       expected=f"{size:,}, for an array of shape {shape}",
                       remedy=f"Load the file again: it is {'cut off' if cut else 'too long'}.")
    return np.frombuffer(data, kind, offset=head).reshape(shape)
