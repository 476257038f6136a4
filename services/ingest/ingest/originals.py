"""The bytes of each image, verified, once, at `{project}/images/{sha256}`."""

from ingest import images
from strop import storage
from strop_contracts import keys
from strop_image import sandbox


class Originals:
    """Checks images and puts them where they stay."""

    def __init__(self, store: storage.Storage) -> None:
        self._store = store

    async def check(self, body: bytes, announced: str | None = None) -> images.Checked:
        """Decode in a child process; decoder.BadImage when it is no image, or not of the announced type."""
        return await sandbox.shared().run(images.check, body, announced)

    async def put(self, project: str, sha256: str, body: bytes, checked: images.Checked) -> None:
        """Write the verified bytes themselves: a copy of the object they came from could already be something else."""
        await self._store.put(keys.image(project, sha256), body, checked.content_type)
