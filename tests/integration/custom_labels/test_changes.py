"""Changes of data sets may come again at any time, and break down at any place."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from custom_labels.datasets import changes, copies
from strop import app, db, storage
from strop_contracts import errors, events, keys, states, tables
from strop_wire import ids
from tests import factories, roles
from tests.integration.custom_labels.conftest import Bucket

Entry = tables.HostedEntry


@pytest.fixture
def carried(runtime: app.Runtime) -> changes.Changes:
    return changes.Changes(runtime)


async def ordered(runtime: app.Runtime, bucket: Bucket, lines: list[str]) -> events.DatasetChangeRequested:
    """A data set that waits for its manifest."""
    source = (await bucket.manifest(lines))["GroundTruthManifest"]["S3Object"]
    async with runtime.sessions.begin() as session:
        await factories.make_project(session, devices=())
        dataset = tables.HostedDataset(project=factories.PROJECT, kind="TRAIN", status="CREATE_IN_PROGRESS")
        session.add(dataset)
        await session.flush()
        change = await changes.order(session, dataset, states.ChangeKind.CREATE, changes.manifest_at(source))
    return events.DatasetChangeRequested(project=factories.PROJECT, change_id=change)


async def outcome(runtime: app.Runtime) -> tuple[str, str | None, int]:
    """Status and code of the one data set, and the number of its entries."""
    async with roles.arranging(runtime)() as session:
        dataset = (await session.scalars(select(tables.HostedDataset))).one()
        count = await session.scalar(select(func.count()).select_from(Entry))
        return dataset.status, dataset.code, count or 0


async def test_a_repeated_change_does_nothing_more(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes
) -> None:
    event = await ordered(runtime, bucket, [await bucket.line("a.jpg", "rose")])
    await carried.carry_out(event)
    await bucket.manifest(["{"])

    await carried.carry_out(event)

    assert await outcome(runtime) == ("CREATE_COMPLETE", "SUCCESS", 1)


async def test_a_change_that_broke_down_is_taken_up_from_the_start(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "BATCH", 2)
    lines = [await bucket.line(f"{seed}.jpg", "rose", seed) for seed in range(5)]
    event = await ordered(runtime, bucket, lines)
    async with roles.arranging(runtime).begin() as session:
        refuse = "alter table hosted_entries add constraint broken check (position < 3)"
        await (await session.connection()).exec_driver_sql(refuse)
    with pytest.raises(Exception, match="broken"):
        await carried.carry_out(event)
    assert await outcome(runtime) == ("CREATE_IN_PROGRESS", None, 2)
    async with roles.arranging(runtime).begin() as session:
        await (await session.connection()).exec_driver_sql("alter table hosted_entries drop constraint broken")

    await carried.carry_out(event)

    assert await outcome(runtime) == ("CREATE_COMPLETE", "SUCCESS", 5)


async def test_a_change_that_breaks_down_again_and_again_has_failed(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes
) -> None:
    event = await ordered(runtime, bucket, [await bucket.line("a.jpg", "rose")])
    async with roles.arranging(runtime).begin() as session:
        (await session.get_one(tables.HostedChange, event.change_id)).attempts = changes.ATTEMPTS

    await carried.carry_out(event)

    assert await outcome(runtime) == ("CREATE_FAILED", "SERVICE_ERROR", 0)


async def test_a_manifest_that_went_missing_fails_with_awss_code(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes
) -> None:
    event = await ordered(runtime, bucket, [])
    async with roles.arranging(runtime).begin() as session:
        change = await session.get_one(tables.HostedChange, event.change_id)
        change.source = {**change.source, "name": "missing"}

    await carried.carry_out(event)

    assert await outcome(runtime) == ("CREATE_FAILED", "CLIENT_ERROR", 0)
    async with roles.arranging(runtime)() as session:
        message = await session.scalar(select(tables.HostedDataset.message))
    assert (message or "").startswith("ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT: ")


async def test_a_change_whose_data_set_is_gone_is_done(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes
) -> None:
    await carried.carry_out(events.DatasetChangeRequested(project=factories.PROJECT, change_id=UUID(str(ids.uuid7()))))


async def test_a_change_that_is_carried_out_already_is_not_begun_again(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes
) -> None:
    event = await ordered(runtime, bucket, [await bucket.line("a.jpg", "rose")])
    async with db.hold(runtime.sessions, f"data set change {event.change_id}"):
        await carried.carry_out(event)
        assert await outcome(runtime) == ("CREATE_IN_PROGRESS", None, 0)

    await carried.carry_out(event)

    assert await outcome(runtime) == ("CREATE_COMPLETE", "SUCCESS", 1)
    async with roles.arranging(runtime)() as session:
        assert (await session.get_one(tables.HostedChange, event.change_id)).attempts == 1


async def test_an_entry_added_while_its_data_set_is_copied_has_its_image_in_the_copy(
    runtime: app.Runtime, bucket: Bucket, carried: changes.Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await carried.carry_out(await ordered(runtime, bucket, [await bucket.line("a.jpg", "rose")]))
    late = factories.picture(2)
    async with runtime.sessions.begin() as session:
        source = (await session.scalars(select(tables.HostedDataset))).one()
        await factories.make_project(session, "copies", devices=())
        target = tables.HostedDataset(project="copies", kind="TRAIN", status="CREATE_IN_PROGRESS")
        session.add(target)
        await session.flush()
        change = await changes.order(session, target, states.ChangeKind.COPY, {"dataset": str(source.id)})
    images = copies.images

    async def images_then_an_entry(*arguments: Any) -> None:
        await images(*arguments)
        monkeypatch.setattr(copies, "images", images)
        sha256 = storage.digest(late)
        await runtime.storage.put(keys.image(factories.PROJECT, sha256), late)
        async with runtime.sessions.begin() as session:
            about = {"size": len(late), "content_type": "image/jpeg", "width": 64, "height": 48}
            session.add(tables.HostedImage(project=factories.PROJECT, sha256=sha256, **about))
            line = {"line": "{}", "labels": ["rose"], "errors": []}
            session.add(Entry(dataset_id=source.id, source_ref="late", position=1, sha256=sha256, **line))

    monkeypatch.setattr(copies, "images", images_then_an_entry)
    event = events.DatasetChangeRequested(project="copies", change_id=change)
    with pytest.raises(errors.RetryLater, match="changed while it was copied"):
        await carried.carry_out(event)

    await carried.carry_out(event)

    async with roles.arranging(runtime)() as session:
        copied = list(await session.scalars(select(Entry.sha256).where(Entry.dataset_id == target.id)))
    assert len(copied) == 2
    for sha256 in copied:
        assert await runtime.storage.size(keys.image("copies", str(sha256)))
