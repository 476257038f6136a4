"""What tests of the bucket's side arrange and tell."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ingest import object_changes
from strop import app
from strop_contracts import errors, keys, tables
from tests import factories, roles

BODY = factories.picture(1)
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def appear(files: object_changes.ObjectChanges, *keys: str, sequencer: str = "01") -> None:
    """Tell of objects in one notification, and raise what is wrong with it."""
    found = tuple((key, sequencer) for key in keys)
    event = object_changes.ObjectsChanged(project=factories.PROJECT, objects=found, at=WHEN)
    try:
        await files.on_objects_changed([event])
    except errors.PartialFailure as partial:
        raise partial.failed[event.id] from partial


async def granted(runtime: app.Runtime, body: bytes = BODY, **changes: object) -> tuple[tables.Capture, str]:
    """A capture whose image may be uploaded, and where to."""
    async with roles.arranging(runtime).begin() as session:
        capture = await factories.make_capture(session, body, **changes)
        key = keys.upload(capture)
        session.add(tables.Upload(capture_id=capture.id, state="granted", key=key))
    return capture, key


async def upload_of(session: AsyncSession, capture: tables.Capture) -> tables.Upload:
    return await session.get_one(tables.Upload, capture.id, populate_existing=True)
