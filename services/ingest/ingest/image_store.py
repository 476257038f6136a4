"""The verified bytes of each image, stored once at `{project}/images/{sha256}`."""

from collections.abc import Collection
from dataclasses import dataclass

from strop import storage
from strop_contracts import keys
from strop_image import decoder, header, sandbox


@dataclass(frozen=True, slots=True)
class Checked:
    """What decoding an image showed."""

    content_type: str
    width: int  # pixels, as stored: EXIF may demand a rotation
    height: int


def check(body: bytes, announced: str | None = None) -> Checked:
    """Decode the whole image; decoder.BadImage if that fails or the type differs from the announced one.

    Blocks until a child process has decoded it: call it in a thread.
    """
    head = header.read(decoder.bounded(body))
    if announced not in {None, head.content_type}:
        raise decoder.BadImage(f"{head.content_type}, announced as {announced}")
    sandbox.shared().check(body)
    return Checked(head.content_type, head.width, head.height)


class ImageStore:
    """Checks images and stores them permanently."""

    def __init__(self, bucket: storage.Storage) -> None:
        self._bucket = bucket

    async def check(self, body: bytes, announced: str | None = None) -> Checked:
        """Call `check` in a thread."""
        return await sandbox.shared().run(check, body, announced)

    async def put_missing(
        self, project: str, sha256: str, body: bytes, checked: Checked, known: Collection[tuple[str, str]]
    ) -> None:
        """Write the bytes unless they are there: an image that is `known` may have lost its object."""
        if (project, sha256) not in known or await self._bucket.size(keys.image(project, sha256)) is None:
            await self.put(project, sha256, body, checked)

    async def put(self, project: str, sha256: str, body: bytes, checked: Checked) -> None:
        """Write the verified bytes themselves: the object they were read from may have been replaced meanwhile."""
        await self._bucket.put(keys.image(project, sha256), body, checked.content_type)
