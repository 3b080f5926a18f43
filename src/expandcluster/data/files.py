"""What all readers share: a damaged file is bad input, and a small file must not unfold to a huge one."""

from __future__ import annotations

import gzip
from pathlib import Path

from expandcluster.errors import BadInput, MissingExtra

__all__ = ["MOST_BYTES", "check_size", "explained", "is_pickle", "start_of", "unzipped"]

MOST_BYTES = 4 * 2**30
_GZIP, _PICKLE = b"\x1f\x8b", b"\x80"


class explained:
    """Turns whatever a reader raises on a damaged file into a BadInput that says so."""

    def __init__(self, path: Path, *, folder: bool = False) -> None:
        self.path, self.folder = path, folder

    def __enter__(self) -> None:
        if not (self.path.is_dir() if self.folder else self.path.is_file()):
            raise BadInput(f"{'folder' if self.folder else 'file'} {self.path}",
                           got="a folder" if self.path.is_dir() else "no such file",
                           expected="a file that can be read", remedy="Check the path.")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (BadInput, MissingExtra)):
            raise BadInput(f"file {self.path}", got=f"a damaged or unreadable file ({type(error).__name__}: {error})",
                           expected="a complete file of plain numbers",
                           remedy="Write it again; files with pickled objects are never loaded.") from error


def check_size(size: int, what: str) -> None:
    """Refuse what would unfold to more than :data:`MOST_BYTES`.

    Raises:
        BadInput: it would.
    """
    if size > MOST_BYTES:
        raise BadInput(what, got=f"{size:,} bytes", expected=f"at most {MOST_BYTES:,} once it is unpacked",
                       remedy="Take fewer samples, or save them as an uncompressed .npy file.")


def start_of(path: Path, count: int = 4) -> bytes:
    """The first bytes of a file, of a gzip file those of what is in it."""
    with path.open("rb") as file:
        head = file.read(count)
    if head[:2] != _GZIP:
        return head
    with gzip.open(path, "rb") as unpacked:
        return unpacked.read(count)


def unzipped(path: Path) -> bytes:
    """The contents of a file, of a gzip file what is in it.

    Raises:
        BadInput: that is more than :data:`MOST_BYTES`.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    if not packed:
        return path.read_bytes()
    with gzip.open(path, "rb") as file:
        found = file.read(MOST_BYTES + 1)
    check_size(len(found), f"file {path}")
    return found


def is_pickle(start: bytes) -> bool:
    """Whether a file that starts so is a pickle of protocol 2 or later."""
    return start[:1] == _PICKLE and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
