"""The bytes of each image, verified, once, at `{project}/images/{sha256}`."""

import asyncio

from ingest import images
from strop import storage
from strop_contracts import keys

DECODERS = 2
"""Images decoded at a time: each can take 400 MB while it is."""


class Originals:
    """Checks images and puts them where they stay."""

    def __init__(self, store: storage.Storage) -> None:
        self._store = store
        self._decoders = asyncio.Semaphore(DECODERS)

    async def check(self, body: bytes, announced: str | None = None) -> images.Checked:
        """Decode in a thread; decoder.BadImage when it is none, or not of the announced type."""
        async with self._decoders:
            return await asyncio.to_thread(images.check, body, announced)

    async def put(self, project: str, sha256: str, body: bytes, checked: images.Checked) -> None:
        """Write the verified bytes themselves: a copy of the object they came from could already be something else."""
        await self._store.put(keys.image(project, sha256), body, checked.content_type)
