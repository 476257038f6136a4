"""Check that an image may be in a data set, by Rekognition's limits.

Blocks until a child process has decoded it: call it in a thread.
"""

from contextlib import suppress

from strop_image import decoder, header, sandbox

MAX_BYTES = 15 * 2**20
SMALLEST, LARGEST = 64, 4096  # pixels a side
MAX_ASPECT = 20

TYPES = {"image/jpeg", "image/png"}


class BadImage(ValueError):
    """The image cannot be used; `code` is AWS's."""

    def __init__(self, reason: str, code: str = "ERROR_INVALID_IMAGE") -> None:
        super().__init__(reason)
        self.code = code


def check(body: bytes) -> header.Header:
    """Decode the whole image in a child process, or raise BadImage."""
    try:
        found = read_header(decoder.bounded(body, MAX_BYTES))
        _judge(found)
        sandbox.shared().check(body)
    except decoder.BadImage as error:
        raise BadImage(f"The image is invalid: {error}.") from error
    return found


def read_header(body: bytes) -> header.Header:
    """Return type and size of a JPEG or PNG; decoder.BadImage when it is neither."""
    with suppress(decoder.BadImage):
        if decoder.content_type(body) in TYPES:
            return header.read(body)
    raise decoder.BadImage("neither JPEG nor PNG")


def _judge(image: header.Header) -> None:
    sides, shape = (image.width, image.height), f"{image.width} x {image.height}"
    if not SMALLEST <= min(sides) <= max(sides) <= LARGEST:
        raise BadImage(
            f"The image dimension(s) do not conform to allowed dimensions: {shape}, "
            f"where each is {SMALLEST} to {LARGEST}.",
            "ERROR_INVALID_IMAGE_DIMENSION",
        )
    if max(sides) > MAX_ASPECT * min(sides):
        raise BadImage(f"The image is invalid: {shape} is longer than {MAX_ASPECT}:1.")
