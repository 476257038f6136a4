"""From the bytes of an image file to upright RGB pixels of 8 bits a channel.

Everything that looks into an image calls `decode`: ingest and the Custom Labels intake to accept it, the trainer, the
hosted models and the device to use it, the console to show it. So all of them accept the same files and see the same
pixels. The rules:

- Types: JPEG, PNG and WebP, by their first bytes; at most 20 MiB. Limits of pixels, scans and parts: `strop_image.header`.
- Orientation: EXIF tag 274 (one SHORT in the first directory), and nothing else of EXIF is read. A damaged or unknown
  value means upright.
- 16 bits a channel: the high byte, the same for grey and for colour; 1, 2 and 4 bits are spread over 0 to 255. JPEG of
  12 bits is refused.
- Transparency (alpha, or a palette with it) is composed over white. A single transparent colour counts in 8-bit images.
- CMYK and YCCK JPEG: inverted as Adobe writes them, then plain conversion. Colour profiles and gamma are not applied.
- Animated files and files of several pictures: the first frame; of an animated PNG, its still image.
- Metadata (profiles, EXIF, XMP, texts) may be of any size and damaged; it does not decide about an image. Nor does what
  follows the end of the image: phones append depth maps and films there.
- Pixels that are cut off or damaged are refused.
"""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from strop_image import header
from strop_wire import messages

VERSION = 1
"""Goes up whenever the same file may give other pixels than before."""

SHORT_SIDE = 256
"""Pixels that the short side of a large JPEG keeps, which is scaled down while it is decoded."""
BACKGROUND = (255, 255, 255)

_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


BadImage = header.BadImage
content_type = header.content_type


def bounded(data: bytes, limit: int = messages.MAX_IMAGE_BYTES) -> bytes:
    """Return the bytes; BadImage when they are over the limit: then a read may have stopped there, and cut the image."""
    if len(data) > limit:
        raise BadImage(f"larger than {limit:,} bytes")
    return data


def read(file: Path) -> bytes:
    """Read an image file; BadImage when it is larger than any image may be, of which it reads no more than that."""
    with file.open("rb") as opened:
        return bounded(opened.read(messages.MAX_IMAGE_BYTES + 1))


def decode(data: bytes, short_side: int = SHORT_SIDE) -> Image.Image:
    """Decode fully, turn upright, and convert to RGB; BadImage when that cannot be.

    A large JPEG comes scaled down, its short side still at least `short_side`.
    """
    found = header.read(bounded(data))
    header.check_pixels(found.content_type, found.width, found.height)
    with refusing(), _READERS[found.content_type](io.BytesIO(data)) as image:
        header.check_pixels(found.content_type, *image.size)  # of several sizes the library may take another one
        image.draft("RGB", (short_side, short_side))
        return rgb(image)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn every error of a library into BadImage."""
    try:
        yield
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("needs more memory than there is") from error
    except Exception as error:  # decoders fed with hostile bytes raise nearly every kind
        raise BadImage(f"cannot be decoded: {error}") from error


def rgb(image: Image.Image) -> Image.Image:
    """Load an opened image of any type, turn it upright, and convert it to RGB."""
    image.load()
    turn = _TURNS.get(_orientation(image.info.get("exif") or b""))
    flat = _flat(image)
    return flat if turn is None else flat.transpose(turn)


def _flat(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which a plain conversion would clip to white
        image = image.point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image if image.mode == "RGBA" else image.convert("RGBA")  # not a copy of 200 MB without need
    flat = Image.new("RGB", layers.size, BACKGROUND)
    flat.paste(layers, mask=layers)
    return flat


def _orientation(exif: bytes) -> int:
    """The value of tag 274, or 0. Read by hand: a library that reads all of EXIF stumbles over any other damaged tag."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 0
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for entry in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * entry)
            if (tag, kind, count) == (_ORIENTATION, 3, 1):
                return int(value)
    except struct.error:  # it ends before it should
        pass
    return 0


# --- readers ---
# The classes themselves rather than Image.open: that would also read the index of several pictures in a JPEG.


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Not needed, and it would parse all of EXIF."""


def _png(file: io.BytesIO) -> Image.Image:
    """Pillow refuses a PNG for the size or the damage of its metadata, so it gets what makes the pixels."""
    data = file.getvalue()
    depth, colour = data[24:26].ljust(2, b"\0")
    pixels = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    if depth == 8 or colour == 3:  # a transparent colour of another depth has values that Pillow does not scale
        pixels.add(b"tRNS")
    chunks = list(header.png_chunks(data))
    kept = (data[at:end] for kind, at, end in chunks if kind in pixels)
    image = PngImagePlugin.PngImageFile(io.BytesIO(b"".join([data[:8], *kept])))
    image.info["exif"] = b"".join(data[at + 8 : end - 4] for kind, at, end in chunks if kind == b"eXIf")
    return image


_READERS: dict[str, Callable[[io.BytesIO], Image.Image]] = {
    "image/jpeg": _Jpeg,
    "image/png": _png,
    "image/webp": WebPImagePlugin.WebPImageFile,
}
