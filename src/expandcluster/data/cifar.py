"""CIFAR-10 and CIFAR-100 in their binary version (Krizhevsky 2009).

A record is a label (CIFAR-100: a coarse and a fine one) and the red, the green and the blue of 32 x 32 pixels, a byte
each. The Python version is made of pickles, which can run code when they are loaded: it is refused.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from expandcluster.data.files import MOST_BYTES, check_size
from expandcluster.errors import BadInput

__all__ = ["SHAPE", "pickles", "read_batch", "read_cifar"]

SHAPE = (3, 32, 32)
_PIXELS = 3072
_PARTS = {"train": r"data_batch_\d+\.bin|train\.bin", "test": r"test_batch\.bin|test\.bin"}
_PYTHON = re.compile(r"data_batch_\d+|test_batch|batches\.meta|train|test|meta")
_MOST_MEMBERS = 1000


def read_cifar(path: Path, part: str | None = None) -> np.ndarray:
    """Images ``(samples, 3, 32, 32)`` in an archive.

    Args:
        path: ``cifar-10-binary.tar.gz``, ``cifar-100-binary.tar.gz``, or the same unpacked by gzip.
        part: ``"train"`` (the default), ``"test"``, or the name of one batch, such as ``"data_batch_2.bin"``.

    Raises:
        BadInput: there is no such part, or it is the Python version.
    """
    wanted = re.compile(_PARTS.get(part or "train", re.escape(part or "")))
    batches: dict[str, bytes] = {}
    names, size = [], 0
    with tarfile.open(path, "r:*") as archive:  # members are read into memory, their paths are never used
        for member in archive:
            name = PurePosixPath(member.name).name
            names.append(name)
            size += member.size
            check_size(size, f"archive {path}")
            if len(names) > _MOST_MEMBERS:
                raise BadInput(f"archive {path}", got=f"more than {_MOST_MEMBERS} files", expected="a CIFAR archive",
                               remedy="Check what file it is.")
            if member.isfile() and wanted.fullmatch(name) and (file := archive.extractfile(member)) is not None:
                batches[name] = file.read(MOST_BYTES)
    if batches:
        return np.concatenate([read_batch(batches[name], name) for name in sorted(batches)])
    if any(_PYTHON.fullmatch(name) for name in names):
        raise pickles(path)
    there = ", ".join(sorted(name for name in names if name.endswith(".bin"))[:20])
    raise BadInput(f"archive {path}", got=f"no {part or 'train'}, but {there or 'no .bin file'}",
                   expected="the binary version of CIFAR-10 or CIFAR-100",
                   remedy=f"Name train, test or one of its files: {path.name}:test.")


def read_batch(data: bytes, name: str) -> np.ndarray:
    """Images ``(samples, 3, 32, 32)`` of one batch; ``train.bin`` and ``test.bin`` are those of CIFAR-100.

    Raises:
        BadInput: it is not made of whole records.
    """
    record = _PIXELS + (2 if name in ("train.bin", "test.bin") else 1)
    if not data or len(data) % record:
        raise BadInput(f"CIFAR batch {name}", got=f"{len(data):,} bytes", expected=f"a multiple of {record:,}",
                       remedy="Load the file again: it is cut off, or no batch of the binary version.")
    return np.frombuffer(data, np.uint8).reshape(-1, record)[:, -_PIXELS:].reshape(-1, *SHAPE)


def pickles(path: Path) -> BadInput:
    """What is said to the Python version."""
    return BadInput(f"file {path}", got="the Python version of CIFAR, which is made of pickles",
                    expected="files that cannot run code when they are loaded",
                    remedy="Take the binary version: cifar-10-binary.tar.gz or cifar-100-binary.tar.gz.")
