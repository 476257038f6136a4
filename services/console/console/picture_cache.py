"""Pictures of data sets: small ones made here and kept in memory, and plots, which take a while to draw."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from strop import storage
from strop_contracts import errors, keys
from strop_image import decoder, header, sandbox

SIDE = 320
"""Pixels of the longer side: sharp at 160 on a phone's screen."""

TAKEN = {"image/jpeg", "image/png"}
LARGEST = 4 * 2**20
SHORTEST, LONGEST = 64, 4096
"""What DetectCustomLabels takes: types, bytes of an image sent with the request, pixels of a side."""
SMALLER = 2048
"""Pixels of the longer side of an image that does not fit: models look at far fewer."""


class Pictures:
    """The latest pictures up to `limit` bytes, each made at the first request for it."""

    def __init__(self, store: storage.Storage, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0
        self._in_hand = asyncio.Semaphore(sandbox.DECODERS)  # images whose bytes are in memory

    async def thumbnail(self, project: str, sha256: str) -> bytes:
        """A small JPEG of a stored image; NoSuchObject when its bytes are gone, Refused when they are none."""

        async def make() -> bytes:
            async with self._in_hand:
                body = await self._store.get(keys.image(project, sha256))
                try:
                    return await sandbox.shared().run(small, body)
                except decoder.BadImage as error:
                    raise errors.Refused(f"image {sha256}: {error}") from error

        return await self.kept(("thumbnail", project, sha256), make)

    async def kept(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The picture of this key, made when it is not here."""
        if key not in self._kept:
            made = await make()
            self._bytes += len(made) - len(self._kept.get(key, b""))
            self._kept[key] = made
        self._kept.move_to_end(key)
        picture = self._kept[key]
        while self._bytes > self._limit:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return picture


def small(body: bytes, side: int = SIDE, quality: int = 82) -> bytes:
    """A JPEG of at most `side` x `side` pixels, upright, without the metadata of the file."""
    return sandbox.shared().jpeg(body, side, quality)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that the API takes."""

    body: bytes
    changed: str = ""  # what had to be done to it


def _still(body: bytes) -> bytes:
    """The first picture of a GIF or BMP as a PNG, decoder.BadImage when it has none; anything else as it is."""
    if not body.startswith((b"GIF8", b"BM")):
        return body
    return sandbox.shared().still(body)


def prepare(body: bytes) -> Prepared:
    """Make an image fit the API's limits where that costs nothing but pixels. Refused when it is none, or too small."""
    try:
        still = _still(body)
        smaller, found = small(still, SMALLER, 92), header.read(still)
    except decoder.BadImage as error:
        raise errors.Refused(f"This is no image that can be read ({error}): choose a JPEG or PNG file.") from error
    if min(found.width, found.height) < SHORTEST:
        raise errors.Refused(f"This image is too small: each side needs {SHORTEST} pixels or more.")
    if found.content_type in TAKEN and len(still) <= LARGEST and max(found.width, found.height) <= LONGEST:
        return Prepared(still, "" if still is body else "sent as a PNG")
    sent = header.read(smaller)
    if min(sent.width, sent.height) < SHORTEST:
        raise errors.Refused("This image is too narrow: no model would see what is in it.")
    return Prepared(smaller, f"sent as a JPEG of {sent.width} by {sent.height} pixels")
