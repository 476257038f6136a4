"""From lines of a manifest to rows: each image is read from the caller's bucket, checked, and put where images stay."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels import buckets, image_rules
from custom_labels.datasets import manifest
from strop import storage
from strop_contracts import keys, tables
from strop_image import sandbox

READERS = 16
"""Images read at a time."""

Numbered = tuple[int, manifest.Line]


@dataclass
class Taken:
    """Rows to write, and what the whole change is judged by."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    bad: Counter[str] = field(default_factory=Counter)


class Intake:
    """Takes lines in, of all changes together no more at a time than the memory holds."""

    def __init__(self, store: storage.Storage) -> None:
        self._store = store
        self._readers = asyncio.Semaphore(READERS)

    async def take(self, project: str, lines: Sequence[Numbered], taken: Taken) -> None:
        """Add the rows of these lines, in their order; their images are stored when this returns."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._image(project, line)) for _, line in lines]
        for (position, line), task in zip(lines, tasks, strict=True):
            image = task.result()
            if image is not None:
                taken.images.append(image)
            else:
                taken.bad[manifest.reason(line.errors)] += 1
            taken.entries.append(
                {
                    "source_ref": line.source_ref or f"#{position}",
                    "position": position,
                    "line": line.text,
                    "labels": line.labels if image else [],
                    "sha256": image["sha256"] if image else None,
                    "errors": line.errors,
                }
            )

    async def _image(self, project: str, line: manifest.Line) -> dict[str, Any] | None:
        """Store the image of a line; returns its row, or None if the line cannot be used, which then has the error."""
        if line.bucket is None:
            return None
        async with self._readers:
            try:
                body = await buckets.read(self._store, line.bucket, line.key, image_rules.MAX_BYTES)
                checked = await sandbox.shared().run(image_rules.check, body)
            except buckets.Unreadable as error:
                line.refuse("ERROR_INVALID_IMAGE", f"The image is invalid. Check S3 path: {error}.")
                return None
            except storage.TooLarge as error:
                line.refuse("ERROR_INVALID_IMAGE", f"The image is invalid: {error}.")
                return None
            except image_rules.BadImage as error:
                line.refuse(error.code, str(error))
                return None
            sha256 = storage.digest(body)
            await self._store.put(keys.image(project, sha256), body, checked.content_type)
        return {
            "project": project,
            "sha256": sha256,
            "size": len(body),
            "content_type": checked.content_type,
            "width": checked.width,
            "height": checked.height,
        }


async def write(session: AsyncSession, dataset: tables.HostedDataset, taken: Taken) -> None:
    """Upsert the rows. An entry that was there keeps its position."""
    # Rows beside the statement, not in it: that would be too many parameters for one.
    if images_ := {image["sha256"]: image for image in taken.images}:
        await session.execute(insert(tables.HostedImage).on_conflict_do_nothing(), list(images_.values()))
    if taken.entries:
        rows = insert(tables.HostedEntry)
        changes = {name: rows.excluded[name] for name in ("line", "labels", "sha256", "errors")}
        upsert = rows.on_conflict_do_update(index_elements=["dataset_id", "source_ref"], set_=changes)
        await session.execute(upsert, [{"dataset_id": dataset.id, **entry} for entry in taken.entries])
