"""Is this an image that people and the trainer can use? Decodes it fully; pure, but slow: call it in a thread."""

from dataclasses import dataclass

from strop_image import decoder


@dataclass(frozen=True, slots=True)
class Checked:
    content_type: str
    width: int  # pixels, as stored: EXIF may say that it is to be turned
    height: int


def check(body: bytes, announced: str | None = None) -> Checked:
    """Decode the whole image; decoder.BadImage when that fails, or when it is not of the announced type."""
    found = decoder.content_type(body)
    if announced not in {None, found}:
        raise decoder.BadImage(f"{found}, announced as {announced}")
    decoder.decode(body)
    return Checked(found, *decoder.size(body))
