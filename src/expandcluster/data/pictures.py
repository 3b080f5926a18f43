"""Images of common formats, by Pillow: a folder of them, or many in one array of bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from expandcluster.data.files import check_size
from expandcluster.errors import BadInput, MissingExtra

__all__ = ["read_folder", "read_jpegs"]

_ENDINGS = (".png", ".jpg", ".jpeg")
_MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}


def read_folder(folder: Path) -> np.ndarray:
    """The .png, .jpg and .jpeg images of a folder in the order of their names; folders in it are not entered.

    Returns:
        Bytes ``(samples, rows, columns)``, or ``(samples, rows, columns, 3)`` of colour images.

    Raises:
        BadInput: there is none, one is damaged, or they differ in size or in colour.
        MissingExtra: the extra ``images`` is not installed.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _ENDINGS and f.is_file())
    if not files:
        raise BadInput(f"folder {folder}", got="no image", expected="files ending in " + ", ".join(_ENDINGS),
                       remedy="Name the folder that the images are in.")
    return _stacked(((file.name, file) for file in files), len(files), f"folder {folder}")


def read_jpegs(data: np.ndarray, offsets: np.ndarray, what: str) -> np.ndarray:
    """Images of JPEG files that are one after the other in ``data`` ``(bytes,)``; file i starts at ``offsets[i]``.

    Raises:
        BadInput: the offsets do not fit, or see :func:`read_folder`.
    """
    if (data.ndim, data.dtype, offsets.ndim) != (1, np.uint8, 1) or offsets.dtype.kind not in "iu" or (
            len(offsets) < 2 or offsets[0] < 0 or offsets[-1] > len(data) or (np.diff(offsets.astype(int)) <= 0).any()):
        raise BadInput(what, got="offsets that do not fit the bytes", expected="growing offsets, one more than images",
                       remedy="Write the file again.")
    parts = ((f"image {i}", io.BytesIO(data[offsets[i] : offsets[i + 1]].tobytes())) for i in range(len(offsets) - 1))
    return _stacked(parts, len(offsets) - 1, what)


def _stacked(files: Iterable[tuple[str, Path | io.BytesIO]], count: int, what: str) -> np.ndarray:
    """The images side by side, all of the size of the first."""
    images: np.ndarray | None = None
    first = ""
    for i, (name, file) in enumerate(files):
        pixels = _pixels(file, f"{what}, {name}", count)
        if images is None:
            images, first = np.empty((count, *pixels.shape), np.uint8), name
        if pixels.shape != images.shape[1:]:
            raise BadInput(what, got=f"{_size(images.shape[1:])} in {first} and {_size(pixels.shape)} in {name}",
                           expected="images of one size, all grey or all in colour", remedy="Bring them to one size.")
        images[i] = pixels
    assert images is not None
    return images


def _pixels(file: Path | io.BytesIO, what: str, count: int) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("Pillow", "images") from error
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            check_size(count * math.prod(image.size) * 3, f"{count:,} images like {what}")  # before it is unpacked
            if image.mode not in _MODES or "transparency" in image.info:
                raise BadInput(what, got=f"an image of mode {image.mode}" + ", transparent" * (
                               "transparency" in image.info), expected="grey or RGB, eight bits and no transparency",
                               remedy="Convert the images.")
            return np.asarray(image.convert(_MODES[image.mode]))
    except BadInput:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise BadInput(what, got=f"a damaged image ({type(error).__name__}: {error})", expected="a PNG or JPEG image",
                       remedy="Write it again, or take it out.") from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]} {'grey' if len(shape) == 2 else 'colour'} pixels"
