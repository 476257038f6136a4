"""Rebuilding a graph from a file that the device has and a small delta: a fine-tuned model that arrives as about 1 MB.

A delta is MAGIC and a zlib stream: a length (4 bytes, little endian), as many bytes of JSON, and the rest. The JSON is a list
of pieces, which follow each other in the rebuilt file:

["copy", offset, length]           bytes of the base
["add", length]                    bytes of the rest
["tune", offset, rows, columns]    float32 values of the base, each with a change: scale of its row * step, -7 to 7. The rest
                                   has a float32 scale for each row, then the steps + 8, two in a byte, the lower half first

The product and the sum are rounded to float32, each once, so every machine rebuilds the same bytes; `model.json` has
their hash.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"STROPD1\n"
LARGEST_STEP = 7
_MAX_PIECES = 1024 * 1024
"""Bytes of the JSON."""


class BadDelta(ValueError):
    """This delta cannot be applied to this base."""


def rebuild(base: bytes, delta: bytes, size: int) -> bytes:
    """Return the file of `size` bytes that the delta makes of the base; BadDelta with the reason."""
    try:
        pieces, rest = _open(delta, size)
        if (wanted := sum(_length(piece) for piece in pieces)) != size:
            raise BadDelta(f"the pieces have {wanted} bytes, expected {size}")
        return b"".join(_applied(base, pieces, rest))
    except (zlib.error, struct.error, TypeError, ValueError, IndexError, RecursionError) as error:
        raise BadDelta(f"delta: {error}") from error


def pack(pieces: list[list[Any]], rest: bytes) -> bytes:
    """Write a delta."""
    described = json.dumps(pieces, separators=(",", ":")).encode()
    return MAGIC + zlib.compress(struct.pack("<I", len(described)) + described + rest, 9)


def tuned(
    base: NDArray[np.float32], scales: NDArray[np.float32], steps: NDArray[np.integer[Any]]
) -> NDArray[np.float32]:
    """Values [rows, columns] with their changes."""
    changes = scales[:, None] * steps.astype(np.float32)
    found: NDArray[np.float32] = base + changes
    return found


def packed(steps: NDArray[np.integer[Any]]) -> bytes:
    """Steps as they lie in a delta."""
    halves = (steps.ravel() + 8).astype(np.uint8)
    halves = np.append(halves, np.zeros(halves.size % 2, np.uint8))
    return (halves[::2] | halves[1::2] << 4).astype(np.uint8).tobytes()


def _open(delta: bytes, size: int) -> tuple[list[list[Any]], bytes]:
    if not delta.startswith(MAGIC):
        raise BadDelta("it does not begin as a delta does")
    stream = zlib.decompressobj()
    data = stream.decompress(delta[len(MAGIC) :], 2 * size + _MAX_PIECES)
    if not stream.eof:
        raise BadDelta("it is cut off, or much larger than what it makes")
    (length,) = struct.unpack_from("<I", data)
    pieces = json.loads(data[4 : 4 + length])
    return pieces, data[4 + length :]


def _length(piece: list[Any]) -> int:
    """Bytes of the rebuilt file."""
    kind, *numbers = piece
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise BadDelta(f"{kind!r:.20}: expected whole numbers from 0")
    match kind, numbers:
        case ("copy", [_, int(length)]) | ("add", [int(length)]):
            return length
        case "tune", [_, int(rows), int(columns)]:
            return rows * columns * 4
    raise BadDelta(f"unknown piece {piece!r:.60}")


def _applied(base: bytes, pieces: list[list[Any]], rest: bytes) -> Iterator[bytes]:
    at = 0
    for kind, *numbers in pieces:
        if kind == "add":
            (length,) = numbers
            yield _cut(rest, at, length)
            at += length
        elif kind == "copy":
            yield _cut(base, *numbers)
        else:
            offset, rows, columns = numbers
            values = np.frombuffer(_cut(base, offset, rows * columns * 4), "<f4").reshape(rows, columns)
            scales = np.frombuffer(_cut(rest, at, rows * 4), "<f4")
            halves = np.frombuffer(_cut(rest, at + rows * 4, (rows * columns + 1) // 2), np.uint8)
            steps = np.stack((halves & 15, halves >> 4), axis=1).ravel()[: rows * columns].astype(np.int8) - 8
            yield tuned(values, scales, steps.reshape(rows, columns)).astype("<f4").tobytes()
            at += rows * 4 + len(halves)
    if at != len(rest):
        raise BadDelta(f"{len(rest) - at} bytes are left over")


def _cut(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise BadDelta(f"{length} bytes at {offset} are outside of {len(data)}")
    return data[offset : offset + length]
