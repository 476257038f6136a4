"""Files of one and the same scene in every kind that may come, and files that no decoder takes."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from strop_wire import messages
from tests import bombs

WIDTH, HEIGHT = 120, 90


def scene() -> Image.Image:
    """Soft blobs of colour, no two sides alike."""
    coarse = np.random.default_rng(3).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    body = io.BytesIO()
    image.save(body, form, **options)
    return body.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, colour: int, rows: list[bytes]) -> bytes:
    """A PNG of samples as given: Pillow does not write 16 bits of colour."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def deep(values: np.ndarray[Any, Any], colour: int) -> bytes:
    """16 bits a channel: the high byte is the value, the low byte anything."""
    wide = values.astype(">u2") * 256 + 77
    return png(16, colour, [row.tobytes() for row in wide.astype(">u2")])


def with_chunk(data: bytes, added: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return data[:33] + added + data[33:]


def exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block of (tag, type, count, 4 bytes of value or offset) whose offsets lead to 1/0 and -1/0."""
    data = b"II*\0" + struct.pack("<IH", 8, len(tags))
    data += b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in tags)
    return b"Exif\0\0" + data + b"\0\0\0\0" + struct.pack("<ii", -1, 0)


def turned(value: int) -> tuple[int, int, int, bytes]:
    return 274, 3, 1, struct.pack("<HH", value, 0)


MAKE_BEYOND_THE_END = (0x10F, 2, 1000, struct.pack("<I", 2**31))
RESOLUTION_MINUS_ONE_BY_ZERO = (0x11A, 10, 1, struct.pack("<I", 10 + 3 * 12 + 4))
UNKNOWN_TYPE = (0x131, 999, 7, b"\xff\xff\xff\xff")

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # a viewer turns it clockwise, so it lies the other way
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def lying(value: int) -> Image.Image:
    """The scene as it is stored with this orientation."""
    return scene().transpose(TURNS[value]) if value in TURNS else scene()


def _palette(**options: Any) -> bytes:
    return encoded(scene().quantize(64), **options)


def _seen_through() -> Image.Image:
    alpha = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    image = scene()
    image.putalpha(alpha)
    return image


def _over_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")


def _rows(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image).reshape(HEIGHT, -1)


_GREY = scene().convert("L")
_JPEG = encoded(scene(), "JPEG", quality=95)
_PNG = encoded(scene())
_BIG = np.random.default_rng(1).bytes(3 * 2**20)
_FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (WIDTH, HEIGHT), "red")]}
_QUARTERS = (_rows(_GREY) // 64).astype(np.uint8)

GOOD: Mapping[str, tuple[bytes, Image.Image | None]] = {
    # kind: the file, and the pixels it must give; None where only all must agree
    "JPEG": (_JPEG, scene()),
    "PNG": (_PNG, scene()),
    "WebP": (encoded(scene(), "WEBP", lossless=True), scene()),
    "progressive JPEG": (encoded(scene(), "JPEG", quality=95, progressive=True), scene()),
    **{
        f"orientation {value}, malformed tags": (
            encoded(
                lying(value),
                "JPEG",
                quality=95,
                exif=exif(MAKE_BEYOND_THE_END, turned(value), RESOLUTION_MINUS_ONE_BY_ZERO),
            ),
            scene(),
        )
        for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40_000)
    },
    "PNG on its side": (encoded(lying(6), exif=exif(UNKNOWN_TYPE, turned(6))), scene()),
    "WebP on its side": (encoded(lying(8), "WEBP", lossless=True, exif=exif(turned(8))), scene()),
    "orientation as text": (encoded(scene(), "JPEG", quality=95, exif=exif((274, 2, 1, b"6\0\0\0"))), scene()),
    "EXIF that is none": (encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0garbage"), scene()),
    "EXIF that ends early": (encoded(scene(), "JPEG", quality=95, exif=exif(turned(6))[:19]), scene()),
    "PNG with EXIF of a wrong checksum": (
        with_chunk(encoded(lying(6)), chunk(b"eXIf", exif(turned(6))[6:])[:-4] + b"\0\0\0\0"), scene(),
    ),
    "grey": (encoded(_GREY), _GREY.convert("RGB")),
    "grey of 16 bits": (deep(_rows(_GREY), 0), _GREY.convert("RGB")),
    "grey of 2 bits": (
        png(2, 0, [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 6:]).tobytes() for row in _QUARTERS]),
        Image.fromarray(_QUARTERS * 85).convert("RGB"),
    ),
    "black and white": (encoded(_GREY.convert("1")), _GREY.convert("1").convert("RGB")),
    "colour of 16 bits": (deep(_rows(scene()), 2), scene()),
    "alpha of 16 bits": (deep(_rows(_seen_through()), 6), _over_white(_seen_through())),
    "grey and alpha of 16 bits": (
        deep(_rows(_seen_through().convert("LA")), 4), _over_white(_seen_through().convert("LA")),
    ),
    "palette": (_palette(), scene().quantize(64).convert("RGB")),
    "palette with transparency": (
        _palette(transparency=bytes(range(0, 256, 4))), _over_white(Image.open(io.BytesIO(
            _palette(transparency=bytes(range(0, 256, 4)))))),
    ),
    "alpha": (encoded(_seen_through()), _over_white(_seen_through())),
    "grey and alpha": (encoded(_seen_through().convert("LA")), _over_white(_seen_through().convert("LA"))),
    "WebP with alpha": (
        encoded(_seen_through(), "WEBP", lossless=True, exact=True), _over_white(_seen_through()),
    ),
    "CMYK": (encoded(scene().convert("CMYK"), "JPEG", quality=95), scene()),
    "YCCK": (encoded(scene().convert("CMYK"), "JPEG").replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2"), None),
    "JPEG with a large profile": (encoded(scene(), "JPEG", quality=95, icc_profile=_BIG), scene()),
    "PNG with a large profile": (encoded(scene(), icc_profile=_BIG), scene()),
    "PNG with a profile that is none": (with_chunk(_PNG, chunk(b"iCCP", b"x\0\0garbage")), scene()),
    "PNG with a large text": (with_chunk(_PNG, chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(80 * 2**20)))), scene()),
    "PNG with short resolution": (with_chunk(_PNG, chunk(b"pHYs", b"1")), scene()),
    "JPEG with a film behind": (_JPEG + _BIG, scene()),
    "animated PNG": (encoded(scene(), **_FRAMES), scene()),
    "animated WebP": (encoded(scene(), "WEBP", lossless=True, **_FRAMES), scene()),
    "two pictures in one": (encoded(scene(), "MPO", quality=95, **_FRAMES), scene()),
}  # fmt: skip


def _claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


BAD: Mapping[str, bytes] = {
    "nothing": b"",
    "text": b"no image",
    "cut JPEG": _JPEG[: len(_JPEG) // 2],
    "cut PNG": _PNG[: len(_PNG) // 2],
    "cut WebP": GOOD["WebP"][0][: len(GOOD["WebP"][0]) // 2],
    "header alone": _JPEG[:30],
    "too many pixels": _claims(10_000, 5_001),
    "too many bytes": _JPEG + bytes(messages.MAX_IMAGE_BYTES),
    "too many pixels of WebP": bombs.webp(5_001, 5_000),
    "too many scans": bombs.scans(33, (WIDTH, HEIGHT)),
    "too many segments": bombs.segments(),
    "too many chunks": bombs.chunks(),
    "too many frames": bombs.frames(),
    "damaged pixels": _PNG[:-200] + bytes(100) + _PNG[-100:],
}
