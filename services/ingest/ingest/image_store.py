"""The verified bytes of each image, stored once at `{project}/images/{sha256}`."""

import asyncio
from dataclasses import dataclass

from strop import storage
from strop_image import decoder

DECODERS = 2
"""Images decoded at a time: each can take 400 MB meanwhile."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What decoding an image showed."""

    content_type: str
    width: int  # pixels, as stored: EXIF may demand a rotation
    height: int


def check(body: bytes, announced: str | None = None) -> Checked:
    """Decode the whole image; decoder.BadImage if that fails or the type differs from the announced one. Slow: use a thread."""
    content_type = decoder.content_type(body)
    if announced not in {None, content_type}:
        raise decoder.BadImage(f"{content_type}, announced as {announced}")
    decoder.decode(body)
    return Checked(content_type, *decoder.size(body))


class ImageStore:
    """Checks images and stores them permanently."""

    def __init__(self, bucket: storage.Storage) -> None:
        self._bucket = bucket
        self._decoders = asyncio.Semaphore(DECODERS)

    async def check(self, body: bytes, announced: str | None = None) -> Checked:
        """Call `check` in a thread."""
        async with self._decoders:
            return await asyncio.to_thread(check, body, announced)

    async def put(self, project: str, sha256: str, body: bytes, checked: Checked) -> None:
        """Write the verified bytes themselves: the object they were read from may have been replaced meanwhile."""
        await self._bucket.put(storage.image_key(project, sha256), body, checked.content_type)
