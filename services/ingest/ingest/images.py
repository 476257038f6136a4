"""Is this an image that people and the trainer can use? Decodes it fully; pure, but slow: call it in a thread.

JPEG, PNG or WebP of one frame, at most MAX_PIXELS. What follows the end of the image is allowed and ignored, as every
decoder does: phones append depth maps and short films there, and a file that is at the same time something else (an
archive, say) does no harm, because nobody opens these bytes but as the image type that is verified here.
"""

import io
from dataclasses import dataclass

from PIL import Image

MAX_PIXELS = 50_000_000

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


class BadImage(ValueError):
    """These bytes are not an image that can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Checked:
    content_type: str
    width: int  # pixels, as stored: EXIF may say that it is to be turned
    height: int


def check(body: bytes, announced: str | None = None) -> Checked:
    """Decode the whole image; BadImage when that fails, or when it is not of the announced type."""
    found = content_type(body)
    if announced not in {None, found}:
        raise BadImage(f"{found}, announced as {announced}")
    try:
        return _decode(body, found)
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # Pillow's own limit is higher
        raise BadImage(f"over the limit of {MAX_PIXELS} pixels") from error
    except Exception as error:  # decoders fed with hostile bytes raise nearly every kind
        raise BadImage(f"cannot be decoded: {error}") from error


def content_type(body: bytes) -> str:
    """Tell the type by the first bytes; names and headers may lie."""
    if body[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if body[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    raise BadImage("neither JPEG, PNG nor WebP")


def _decode(body: bytes, found: str) -> Checked:
    with Image.open(io.BytesIO(body), formats=[_FORMATS[found]]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"{image.width} x {image.height} is over the limit of {MAX_PIXELS} pixels")
        if found != "image/jpeg" and getattr(image, "is_animated", False):
            raise BadImage("animated")
        image.load()
        return Checked(found, image.width, image.height)
