"""Check that an image can be used by people and the trainer. Blocks until a child process has decoded it: call it in a thread."""

from dataclasses import dataclass

from strop_image import decoder, header, sandbox


@dataclass(frozen=True, slots=True)
class Checked:
    content_type: str
    width: int  # pixels, as stored: EXIF may say that it is to be turned
    height: int


def check(body: bytes, announced: str | None = None) -> Checked:
    """Decode the whole image; decoder.BadImage when that fails, or when it is not of the announced type."""
    found = header.read(decoder.bounded(body))
    if announced not in {None, found.content_type}:
        raise decoder.BadImage(f"{found.content_type}, announced as {announced}")
    sandbox.shared().check(body)
    return Checked(found.content_type, found.width, found.height)
