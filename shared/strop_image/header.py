"""Type and size of an image file by its header alone, and the limits that bound what decoding it costs.

Nothing is decoded and no library is asked, so this is quick and takes no memory, whatever the bytes are. The limits depend on
the file alone: a device and the services refuse the same files.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_PIXELS = 50_000_000
MAX_WEBP_PIXELS = 25_000_000
"""Of a WebP: its decoder takes 16 bytes of memory a pixel, twice as many as the others."""
MAX_SCANS = 32
"""Of a JPEG: each takes as long as the whole image. Encoders write 10 for colour, 18 for CMYK."""
MAX_PARTS = 65_536
"""Segments or chunks of a file, each of which costs time whatever its size; encoders write up to a few thousand."""

_BARE = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers without a length: TEM, RST0 to RST7 and SOI."""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame header: SOF0 to SOF15."""
_SCAN, _END = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""What ends the data of a scan."""


class BadImage(ValueError):
    """The bytes are no usable image; the message is the reason, to follow the name of the image."""


@dataclass(frozen=True, slots=True)
class Header:
    content_type: str
    width: int  # pixels, as stored: EXIF may turn the image
    height: int


def read(data: bytes) -> Header:
    """Read type and size; BadImage when there are none, or the file exceeds a limit of scans or parts."""
    kind = content_type(data)
    try:
        width, height = _SIZES[kind](data)
    except (struct.error, IndexError) as error:
        raise BadImage("cannot be decoded: its header is cut off") from error
    return Header(kind, width, height)


def content_type(data: bytes) -> str:
    """Return the type of a JPEG, PNG or WebP by its first bytes; names and headers may lie."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise BadImage("neither JPEG, PNG nor WebP")


def check_pixels(kind: str, width: int, height: int) -> None:
    """Raise BadImage when an image of this type has too many pixels to be decoded."""
    limit = MAX_WEBP_PIXELS if kind == "image/webp" else MAX_PIXELS
    if width * height > limit:
        raise BadImage(f"{width} x {height} is over the limit of {limit} pixels")


def _check_parts(count: int) -> None:
    if count > MAX_PARTS:
        raise BadImage(f"consists of more than {MAX_PARTS} parts")


# --- JPEG ---


def _jpeg(data: bytes) -> tuple[int, int]:
    size = None
    for marker, at in _segments(data):
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        if marker == _SCAN:
            _check_scans(data, at)
            break
    if size is None:
        raise BadImage("cannot be decoded: its header has no size")
    return size


def _segments(data: bytes, at: int = 0) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment. Other bytes between segments count as parts: libraries skip them one by one."""
    parts = 0
    while at + 1 < len(data):
        _check_parts(parts := parts + 1)
        marker = data[at + 1]
        if data[at] != 0xFF or marker in {0x00, 0xFF}:
            at += 1
            continue
        yield marker, at
        if marker == _END:
            return
        at += 2
        if marker >= 0xC0 and marker not in _BARE:
            at += max(2, int.from_bytes(data[at : at + 2]))
        if marker == _SCAN:
            found = _MARKER.search(data, at)
            at = found.start() if found else len(data)


def _check_scans(data: bytes, first: int) -> None:
    # Metadata and what follows the image may contain the bytes of this marker by chance, so a high count is not enough.
    if data.count(b"\xff\xda", first) <= MAX_SCANS:
        return
    scans = 0
    for marker, _ in _segments(data, first):
        scans += marker == _SCAN
        if scans > MAX_SCANS:
            raise BadImage(f"has more than {MAX_SCANS} scans")


# --- PNG and WebP ---


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk of a PNG; BadImage when they are too many."""
    at, kind, parts = 8, b"", 0
    while kind != b"IEND" and at < len(data):
        _check_parts(parts := parts + 1)
        kind, length = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4])
        yield kind, at, (at := at + 12 + length)


def _png(data: bytes) -> tuple[int, int]:
    size = None
    for kind, at, _ in png_chunks(data):
        if kind == b"IHDR":
            size = struct.unpack_from(">II", data, at + 8)
    if size is None:
        raise BadImage("cannot be decoded: its header has no size")
    return size


def _webp(data: bytes) -> tuple[int, int]:
    at, parts = 12, 0
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at < end:  # each may be a frame of an animation
        _check_parts(parts := parts + 1)
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        at += at % 2
    if data[12:16] == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return (low_w | high_w << 16) + 1, (low_h | high_h << 16) + 1
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


_SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp}
