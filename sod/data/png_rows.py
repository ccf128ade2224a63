"""Writing of large pictures as PNG files, some rows at a time."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sod.core.files import atomic_file
from sod.data.pictures import PERCEPTUAL

Pixels = NDArray[np.uint8]

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FASTEST, _WINDOW, _MEMORY = 1, 15, 8


def write_png_rows(
    path: Path, size: tuple[int, int], channels: int, rows: Iterable[Pixels]
) -> None:
    """Write a picture that is never in memory as a whole; colours are marked as sRGB.

    Args:
        path: The file; missing parent folders are created.
        size: Height and width of the picture.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        rows: The rows from the top to the bottom, in parts ``[n, W]`` or ``[n, W, channels]``.

    Raises:
        SodError: The file cannot be written; a previous one is untouched.
    """
    header = struct.pack(">IIBBBBB", size[1], size[0], 8, _COLOUR_TYPES[channels], 0, 0, 0)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(_SIGNATURE)
        _chunk(file, b"IHDR", header)
        if channels > 1:
            _chunk(file, b"sRGB", PERCEPTUAL)
        for data in _compressed(_filtered(rows, size[1], channels)):
            _chunk(file, b"IDAT", data)
        _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    """Write one chunk: length, kind, data, and the checksum of the last two."""
    file.write(struct.pack(">I", len(data)) + kind + data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _compressed(parts: Iterable[Pixels]) -> Iterator[bytes]:
    """Yield one zlib stream in parts that are not empty, compressed by runs of equal bytes."""
    compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_RLE)
    for part in parts:
        if data := compressor.compress(part.tobytes()):
            yield data
    yield compressor.flush()


def _filtered(parts: Iterable[Pixels], width: int, channels: int) -> Iterator[Pixels]:
    """Yield filtered lines ``[n, 1 + W * channels]``, each begun by the number of its filter."""
    above = np.zeros((1, width * channels), np.uint8)
    for part in parts:
        lines = part.reshape(len(part), -1)
        yield _filter(lines, np.concatenate([above, lines[:-1]]), channels)
        above = lines[-1:].copy()


def _filter(lines: Pixels, above: Pixels, channels: int) -> Pixels:
    """Filter each line by the one of None, Sub, Up and Paeth whose sum of differences is least.

    PNG specification (W3C, 2003), sections 9.2 to 9.4 and 12.8.
    """
    left, corner = _shifted(lines, channels), _shifted(above, channels)
    chosen = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    least = np.full(len(lines), np.iinfo(np.int64).max)
    for number, guess in ((0, None), (1, left), (2, above), (4, _paeth(left, above, corner))):
        rest = lines if guess is None else lines - guess
        total = np.abs(rest.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64)
        better = total < least
        chosen[better, 0], chosen[better, 1:] = number, rest[better]
        least = np.minimum(least, total)
    return chosen


def _shifted(lines: Pixels, channels: int) -> Pixels:
    """Return the pixels to the left; those of the first column are 0."""
    shifted = np.zeros_like(lines)
    shifted[:, channels:] = lines[:, :-channels]
    return shifted


def _paeth(left: Pixels, above: Pixels, corner: Pixels) -> Pixels:
    """Return the neighbour nearest to left + above - corner, in this order of preference."""
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    to_left, to_above = np.abs(b - c), np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
