"""May this image be in a data set? Rekognition's limits. Decodes it fully; pure, but slow: call it in a thread."""

from contextlib import suppress
from dataclasses import dataclass

from strop_image import decoder

MAX_BYTES = 15 * 2**20
SMALLEST, LARGEST = 64, 4096  # pixels a side
MAX_ASPECT = 20

TYPES = {"image/jpeg", "image/png"}


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
    try:
        decoder.bounded(body, MAX_BYTES)
        checked = Checked(content_type(body), *decoder.size(body))
        _judge(checked)
        decoder.decode(body)
    except decoder.BadImage as error:
        raise BadImage(f"The image is invalid: {error}.") from error
    return checked


def content_type(body: bytes) -> str:
    """Return the type of a JPEG or PNG; decoder.BadImage when it is neither."""
    with suppress(decoder.BadImage):
        if (found := decoder.content_type(body)) in TYPES:
            return found
    raise decoder.BadImage("neither JPEG nor PNG")


def _judge(image: Checked) -> None:
    sides, shape = (image.width, image.height), f"{image.width} x {image.height}"
    if not SMALLEST <= min(sides) <= max(sides) <= LARGEST:
        raise BadImage(
            f"The image dimension(s) do not conform to allowed dimensions: {shape}, "
            f"where each is {SMALLEST} to {LARGEST}.",
            "ERROR_INVALID_IMAGE_DIMENSION",
        )
    if max(sides) > MAX_ASPECT * min(sides):
        raise BadImage(f"The image is invalid: {shape} is longer than {MAX_ASPECT}:1.")
