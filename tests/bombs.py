"""Images of few bytes that would cost very much to decode."""

import io
import struct
import zlib

from PIL import Image

MARKER_SCAN = b"\xff\xda"
END = b"\xff\xd9"


def scans(count: int, size: tuple[int, int], *, between: bytes = b"") -> bytes:
    """A progressive JPEG of this many scans, the last one repeated, with `between` before each of those."""
    body = io.BytesIO()
    Image.new("RGB", size, (9, 99, 200)).save(body, "JPEG", progressive=True, subsampling=0)
    data = body.getvalue().removesuffix(END)
    last = data[data.rindex(MARKER_SCAN) :]
    return data + (between + last) * (count - data.count(MARKER_SCAN)) + END


def webp(width: int, height: int) -> bytes:
    """The header of a lossless WebP of this size."""
    bits = (width - 1) | (height - 1) << 14
    return _riff(b"VP8L" + struct.pack("<IBI", 6, 0x2F, bits) + b"\0")


def flat_webp(size: tuple[int, int]) -> bytes:
    """A WebP of one colour."""
    body = io.BytesIO()
    Image.new("RGB", size, (9, 99, 200)).save(body, "WEBP", quality=50)
    return body.getvalue()


def frames(count: int = 70_000) -> bytes:
    """An animated WebP of very many frames without content."""
    extended = b"VP8X" + struct.pack("<IIHBHB", 10, 2, 7, 0, 7, 0)
    return _riff(extended + b"ANMF\0\0\0\0" * count)


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def segments(count: int = 70_000) -> bytes:
    """A JPEG with very many empty comments."""
    body = io.BytesIO()
    Image.new("RGB", (8, 8)).save(body, "JPEG")
    return body.getvalue().replace(b"\xff\xd8", b"\xff\xd8" + b"\xff\xfe\x00\x02" * count, 1)


def chunks(count: int = 70_000) -> bytes:
    """A PNG with very many empty chunks of pixels."""
    body = io.BytesIO()
    Image.new("RGB", (8, 8)).save(body, "PNG")
    empty = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    at = body.getvalue().index(b"IDAT") - 4
    return body.getvalue()[:at] + empty * count + body.getvalue()[at:]
