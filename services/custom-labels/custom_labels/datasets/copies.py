"""Entries that move between data sets: a copy of a whole one, and the fifth that goes from TRAIN to TEST."""

import asyncio
from uuid import UUID

from sqlalchemy import Text, any_, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels.datasets import loading, manifest, splitting
from strop import app
from strop_contracts import errors, keys, tables
from strop_contracts.tables import HostedEntry as Entry
from strop_contracts.tables import HostedImage as Image


async def images(runtime: app.Runtime, source: UUID, target: tables.HostedDataset) -> None:
    """Bring the images of a data set into the target's project, where they are not there already."""
    async with runtime.sessions() as session:
        origin = await session.get(tables.HostedDataset, source)
        if origin is None:
            raise manifest.Unusable("The source data set was deleted meanwhile.")
        if origin.project == target.project:
            return
        used = select(Entry.sha256).where(Entry.dataset_id == source, Entry.sha256.is_not(None)).distinct()
        shas = list(filter(None, await session.scalars(used)))
    room = asyncio.Semaphore(loading.READERS)

    async def copy(sha256: str) -> None:
        async with room:
            await runtime.storage.copy(keys.image(origin.project, sha256), keys.image(target.project, sha256))

    async with asyncio.TaskGroup() as group:
        for sha256 in shas:
            group.create_task(copy(sha256))
    columns = ("sha256", "size", "content_type", "width", "height")
    rows = select(literal(target.project), *(getattr(Image, name) for name in columns)).where(
        Image.project == origin.project, Image.sha256.in_(used)
    )
    async with runtime.sessions.begin() as session:
        await session.execute(upsert(Image).from_select(["project", *columns], rows).on_conflict_do_nothing())


async def entries(session: AsyncSession, source: UUID, target: tables.HostedDataset) -> None:
    """Copy all entries, also those with errors; RetryLater if one was added since `images` copied their images."""
    copied = exists().where(Image.project == target.project, Image.sha256 == Entry.sha256)
    new = select(Entry.sha256).where(Entry.dataset_id == source, Entry.sha256.is_not(None), ~copied).limit(1)
    if await session.scalar(new):
        raise errors.RetryLater("the source data set was changed while it was copied", delay=1)
    columns = ("source_ref", "position", "line", "labels", "sha256", "errors")
    rows = select(literal(target.id), *(getattr(Entry, name) for name in columns)).where(Entry.dataset_id == source)
    await session.execute(insert(Entry).from_select(["dataset_id", *columns], rows))


async def distribute(session: AsyncSession, train: UUID, test: tables.HostedDataset) -> None:
    """Move a fifth of each label's images into the test set."""
    usable = select(Entry.source_ref, Entry.labels).where(
        Entry.dataset_id == train, Entry.sha256.is_not(None), func.jsonb_array_length(Entry.labels) > 0
    )
    labelled = [(ref, tuple(labels)) for ref, labels in await session.execute(usable)]
    chosen = await asyncio.to_thread(splitting.fifth, labelled)
    if not chosen:
        raise manifest.Unusable(
            "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE: The manifest file doesn't have enough labeled images "
            "to distribute the dataset."
        )
    among = Entry.source_ref == any_(literal(chosen, ARRAY(Text)))  # one parameter: there may be 50,000
    move = update(Entry).where(Entry.dataset_id == train, among).values(dataset_id=test.id)
    await session.execute(move, execution_options={"synchronize_session": False})
