"""May this image be in a data set? Rekognition's limits. Decodes it fully; pure, but slow: call it in a thread."""

import io
from dataclasses import dataclass

from PIL import Image

MAX_BYTES = 15 * 2**20
SMALLEST, LARGEST = 64, 4096  # pixels a side
MAX_ASPECT = 20

_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}


class BadImage(ValueError):
    """The image cannot be used; `code` is AWS's."""

    def __init__(self, reason: str, code: str = "ERROR_INVALID_IMAGE") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Checked:
    content_type: str
    width: int  # pixels, as stored: EXIF may say that it is to be turned
    height: int


def check(body: bytes) -> Checked:
    """Decode the whole image, or raise BadImage."""
    if len(body) > MAX_BYTES:
        raise BadImage(f"The image is invalid: it has more than {MAX_BYTES} bytes.")
    try:
        return _decode(body)
    except BadImage:
        raise
    except Exception as error:  # decoders fed with hostile bytes raise nearly every kind
        raise BadImage("The image is invalid: it is no JPEG or PNG that can be decoded.") from error


def _decode(body: bytes) -> Checked:
    with Image.open(io.BytesIO(body), formats=["JPEG", "PNG"]) as image:
        if not SMALLEST <= min(image.size) <= max(image.size) <= LARGEST:
            raise BadImage(
                f"The image dimension(s) do not conform to allowed dimensions: {image.width} x {image.height}, "
                f"where each is {SMALLEST} to {LARGEST}.",
                "ERROR_INVALID_IMAGE_DIMENSION",
            )
        if max(image.size) > MAX_ASPECT * min(image.size):
            raise BadImage(f"The image is invalid: {image.width} x {image.height} is longer than {MAX_ASPECT}:1.")
        image.load()
        return Checked(_TYPES[image.format or ""], image.width, image.height)
