"""Objects and rows that differ because a notification was lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import bucket_sweep, object_changes
from ingest.sources import s3
from strop import app
from strop_contracts import events, keys, tables, topology
from tests import factories, roles, wait
from tests.integration.ingest.bucket import BODY, granted, upload_of

pytestmark = pytest.mark.usefixtures("enrolled")

LATER = timedelta(minutes=15)
BASE = keys.dataset(factories.PROJECT, "base")


async def sweep(runtime: app.Runtime, later: timedelta = LATER) -> list[object_changes.ObjectsChanged]:
    """Sweep some time later; returns what is reported."""
    await bucket_sweep.BucketSweep(runtime).sweep(datetime.now(UTC) + later)
    mine = delete(tables.Outbox).where(tables.Outbox.queue == topology.IMAGES).returning(tables.Outbox.body)
    async with runtime.sessions.begin() as session:
        bodies = (await session.scalars(mine)).all()
    found = [s3.S3Source.read(json.loads(body)) for body in bodies]
    return [each for each in found if each]


async def repaired(runtime: app.Runtime, files: object_changes.ObjectChanges, later: timedelta = LATER) -> None:
    """Sweep, and handle what is reported."""
    await files.on_objects_changed(await sweep(runtime, later))


def reported(changes: list[object_changes.ObjectsChanged]) -> list[str]:
    return sorted(key for change in changes for key, _ in change.objects)


async def base_rows(session: AsyncSession) -> list[tuple[str, str | None]]:
    rows = await session.execute(select(tables.DatasetItem.key, tables.DatasetItem.sha256).order_by("key"))
    return [(row.key, row.sha256) for row in rows]


async def test_an_upload_whose_notification_was_lost_is_stored(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    await repaired(runtime, files)

    assert (await upload_of(session, capture)).state == "stored"
    assert [type(each) for each in await wait.outbox(runtime)] == [events.ImageStored]


async def test_an_upload_within_the_limit_is_left_to_its_notification(runtime: app.Runtime) -> None:
    _, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    assert await sweep(runtime, timedelta()) == []


async def test_an_object_that_stays_is_reported_at_each_doubling_of_its_age(runtime: app.Runtime) -> None:
    _, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    ages = [15, 16, 30, 35, 50]

    assert [reported(await sweep(runtime, timedelta(minutes=age))) for age in ages] == [[key], [], [key], [], [key]]


@pytest.mark.parametrize("state", ["stored", "dropped"])
async def test_an_upload_with_its_final_state_is_not_reported(runtime: app.Runtime, state: str) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with runtime.sessions.begin() as session:
        await session.execute(update(tables.Upload).values(state=state))

    assert reported(await sweep(runtime)) == []
    assert capture


async def test_an_image_of_no_capture_whose_notification_was_lost_is_stored(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    await runtime.storage.put(f"{factories.PROJECT}/raw_field_data/holiday.jpg", BODY)

    await repaired(runtime, files)

    assert [type(each) for each in await wait.outbox(runtime)] == [events.ImageStored]


async def test_a_labelled_copy_that_was_moved_back_is_reported(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with roles.arranging(runtime).begin() as session:
        await session.execute(update(tables.Upload).values(state="stored"))
        about = {"capture_id": capture.id, "project": capture.project, "device": capture.device}
        session.add(tables.GroundTruth(**about, sha256=capture.sha256, label="mug", author="ada"))

    await repaired(runtime, files)

    assert [type(each) for each in await wait.outbox(runtime)] == [events.CopyMoved]


async def test_a_file_that_was_moved_by_hand_is_filed(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    capture, _ = await granted(runtime)
    await runtime.storage.put(keys.labeled(capture, "mug"), BODY)

    await repaired(runtime, files)
    await repaired(runtime, files)

    (filed,) = await wait.outbox(runtime)
    assert isinstance(filed, events.LabelFiled)
    assert (filed.capture_id, filed.label) == (capture.id, "mug")
    assert datetime.now(UTC) - filed.at < timedelta(seconds=wait.PATIENCE), "the time of the move"


async def test_a_file_in_the_folder_of_its_label_is_not_reported(runtime: app.Runtime) -> None:
    capture, _ = await granted(runtime)
    await runtime.storage.put(keys.labeled(capture, "mug"), BODY)
    async with roles.arranging(runtime).begin() as session:
        about = {"capture_id": capture.id, "project": capture.project, "device": capture.device}
        session.add(tables.GroundTruth(**about, sha256=capture.sha256, label="mug", author="ada"))

    assert await sweep(runtime) == []


async def test_base_images_follow_the_bucket_when_notifications_are_lost(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    kept, gone, new = (f"{BASE}train/can/{name}.jpg" for name in ("a", "b", "c"))
    for key in (kept, gone):
        await runtime.storage.put(key, BODY)
    await repaired(runtime, files)
    await runtime.storage.delete(gone)
    await runtime.storage.put(new, BODY)

    await repaired(runtime, files, 2 * LATER)

    assert [key for key, _ in await base_rows(session)] == [kept, new]
    assert reported(await sweep(runtime, 4 * LATER)) == []


async def test_a_listing_of_several_pages_is_compared_page_by_page(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    paginator = runtime.storage._client.get_paginator
    monkeypatch.setattr(
        runtime.storage._client,
        "get_paginator",
        lambda name: type(
            "", (), {"paginate": lambda _, **given: paginator(name).paginate(**given, PaginationConfig={"PageSize": 2})}
        )(),
    )
    for name in "abcde":
        await runtime.storage.put(f"{BASE}train/can/{name}.jpg", BODY)
    await repaired(runtime, files)
    assert len(await base_rows(session)) == 5
    for name in "ace":
        await runtime.storage.delete(f"{BASE}train/can/{name}.jpg")

    await repaired(runtime, files, 2 * LATER)

    await session.rollback()
    assert [key[-5:] for key, _ in await base_rows(session)] == ["b.jpg", "d.jpg"]


@pytest.mark.parametrize("label", [None, "can"])
async def test_an_image_without_its_object_is_restored_from_a_copy(
    runtime: app.Runtime, files: object_changes.ObjectChanges, label: str | None
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    await repaired(runtime, files)
    if label:
        async with roles.arranging(runtime).begin() as session:
            about = {"capture_id": capture.id, "project": capture.project, "device": capture.device}
            session.add(tables.GroundTruth(**about, sha256=capture.sha256, label=label, author="ada"))
        await runtime.storage.copy(key, keys.labeled(capture, label))
        await runtime.storage.delete(key)
    await runtime.storage.delete(keys.image(capture.project, capture.sha256))

    await sweep(runtime)

    assert await runtime.storage.get(keys.image(capture.project, capture.sha256)) == BODY


async def test_an_image_without_an_object_and_without_a_copy_is_counted(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    await repaired(runtime, files)
    await runtime.storage.delete(keys.image(capture.project, capture.sha256))
    await runtime.storage.put(key, factories.picture(2))

    await sweep(runtime)

    assert REGISTRY.get_sample_value("strop_images_missing", {"project": capture.project}) == 1
