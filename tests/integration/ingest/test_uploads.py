"""What follows when a device has uploaded an image."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from botocore.exceptions import ClientError
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import grant_publisher, object_changes, queries, rules
from strop import app, mqtt, storage
from strop_contracts import errors, events, keys, states, tables
from strop_wire import ids
from tests import factories, roles, wait
from tests.integration.ingest.bucket import BODY, appear, granted, upload_of

NO_LABEL = f"{factories.PROJECT}/labeled_field_data/holiday.jpg"
"""A file beside the folders of labels."""

pytestmark = pytest.mark.usefixtures("enrolled")


async def test_an_image_arrives_though_its_device_lost_it_right_after_the_upload(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with runtime.sessions.begin() as losing:
        await queries.uploads.drop_lost(losing, {((capture.project, capture.device), capture.id): "device: full"})

    await appear(files, key)

    upload = await upload_of(session, capture)
    assert (upload.state, upload.reason, upload.key) == ("stored", None, key)
    assert [type(each) for each in await wait.outbox(runtime)] == [events.ImageStored]


async def test_what_was_dropped_for_another_reason_does_not_arrive(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with runtime.sessions.begin() as dropping:
        await queries.uploads.drop(dropping, capture, "duplicate")

    await appear(files, key)

    assert (await upload_of(session, capture)).state == "dropped"


async def test_an_image_that_is_what_was_announced_is_stored(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    await appear(files, key)

    image = await session.get_one(tables.Image, (capture.project, capture.sha256))
    assert (image.size, image.content_type, image.width, image.height) == (len(BODY), "image/jpeg", 64, 48)
    assert await runtime.storage.get(keys.image(capture.project, capture.sha256)) == BODY
    assert await runtime.storage.get(key) == BODY
    upload = await upload_of(session, capture)
    assert upload.state == "stored"
    assert upload.stored_at is not None
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.ImageStored)
    assert (happened.capture_id, happened.device, happened.sha256) == (capture.id, capture.device, capture.sha256)


async def test_told_twice_or_at_once_it_is_stored_once(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    _, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    await asyncio.gather(*(appear(files, key) for _ in range(3)))
    await appear(files, key)

    assert len(await wait.outbox(runtime)) == 1


async def test_a_device_may_be_quicker_than_the_commit_of_its_grant(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    async with roles.arranging(runtime).begin() as other:
        capture = await factories.make_capture(other, BODY)
    key = keys.upload(capture)
    await runtime.storage.put(key, BODY)

    await appear(files, key)

    assert (await upload_of(session, capture)).state == "stored"


@pytest.mark.parametrize(
    ("arrived", "reason"),
    [
        (factories.picture(2), ""),
        (BODY + b"more", "longer than the announced"),
        (BODY[:-1], "bytes instead of the announced"),
        (b"", "0 bytes instead of the announced"),
        (BODY[:-1] + b"?", "instead of the announced"),
    ],
)
async def test_what_was_not_announced_is_taken_away_and_may_come_again(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession, arrived: bytes, reason: str
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, arrived)

    await appear(files, key)
    await appear(files, key)  # told again: the object is away, and counted once

    upload = await upload_of(session, capture)
    assert (upload.state, upload.attempts) == ("granted", 1)
    assert await runtime.storage.size(key) is None
    assert not await wait.outbox(runtime)
    await runtime.storage.put(key, BODY)
    await appear(files, key)
    assert (await upload_of(session, capture)).state == "stored"


class Interrupted(storage.Storage):
    """Lets something happen once, between the read of an object and what follows from it."""

    def __init__(self, real: storage.Storage, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(real._client, real._public, real.bucket)
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def read(self, key: str, limit: int | None = None, version: str | None = None) -> storage.Content:
        try:
            return await super().read(key, limit, version)
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
            if meanwhile:
                await meanwhile()


def interrupted(runtime: app.Runtime, meanwhile: Callable[[], Awaitable[None]]) -> object_changes.ObjectChanges:
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    grants = grant_publisher.GrantPublisher(runtime.storage, broker)
    return object_changes.ObjectChanges(runtime.sessions, Interrupted(runtime.storage, meanwhile), grants)


@pytest.mark.parametrize("wrong", [b"wrong", BODY + b"more"], ids=["mismatch", "too long"])
async def test_good_bytes_that_arrive_during_a_duplicated_event_stay(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession, wrong: bytes
) -> None:
    """Two deliveries read wrong bytes. The first asks again, the device uploads, and the second goes on."""
    capture, key = await granted(runtime)
    await runtime.storage.put(key, wrong)

    async def first_delivery_and_upload() -> None:
        await appear(files, key)
        await runtime.storage.put(key, BODY)

    await appear(interrupted(runtime, first_delivery_and_upload), key)

    assert await runtime.storage.get(key) == BODY
    assert (await upload_of(session, capture)).attempts == 1
    await session.rollback()
    await appear(files, key)
    assert (await upload_of(session, capture)).state == "stored"


async def test_good_bytes_that_are_stored_during_a_mismatch_stay_stored(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, b"wrong")

    async def upload_and_event() -> None:
        await runtime.storage.put(key, BODY)
        await appear(files, key)

    await appear(interrupted(runtime, upload_and_event), key)

    upload = await upload_of(session, capture)
    assert (upload.state, upload.attempts) == ("stored", 0)
    assert await runtime.storage.get(key) == BODY


async def test_a_drop_during_the_check_of_an_image_stands(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    async def drop() -> None:
        async with runtime.sessions.begin() as dropping:
            await queries.uploads.drop(dropping, capture, "duplicate")

    await appear(interrupted(runtime, drop), key)

    assert (await upload_of(session, capture)).state == "dropped"
    assert await wait.outbox(runtime) == []


async def test_an_upload_restores_an_image_whose_object_is_missing(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    async with runtime.sessions.begin() as other:
        await factories.make_image(other, capture)
    await runtime.storage.put(key, BODY)

    await appear(files, key)

    assert await runtime.storage.get(keys.image(capture.project, capture.sha256)) == BODY


async def test_what_never_matches_is_dropped_with_the_reason(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)

    for _ in range(rules.MAX_ATTEMPTS - 1):
        await runtime.storage.put(key, b"wrong")
        await appear(files, key)
    await runtime.storage.put(key, b"wrong")
    with pytest.raises(errors.InvalidMessage, match=r"5 bytes instead of the announced .*, 3 times"):
        await appear(files, key)

    upload = await upload_of(session, capture)
    assert upload.state == "dropped"
    assert (upload.reason or "").startswith("5 bytes instead of the announced")


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"no image at all", "image/jpeg", "neither JPEG, PNG nor WebP"),
        (BODY[:200], "image/jpeg", "cannot be decoded"),
        (BODY, "image/png", "image/jpeg, announced as image/png"),
    ],
)
async def test_an_image_of_no_use_is_dropped_though_it_is_what_was_announced(
    runtime: app.Runtime,
    files: object_changes.ObjectChanges,
    session: AsyncSession,
    body: bytes,
    content_type: str,
    reason: str,
) -> None:
    capture, key = await granted(runtime, body, content_type=content_type)
    await runtime.storage.put(key, body)

    with pytest.raises(errors.InvalidMessage, match=reason):
        await appear(files, key)

    upload = await upload_of(session, capture)
    assert upload.state == "dropped"
    assert reason in (upload.reason or "")
    assert await session.get(tables.Image, (capture.project, capture.sha256)) is None
    assert await runtime.storage.size(keys.image(capture.project, capture.sha256)) is None
    assert not await wait.outbox(runtime)


async def test_an_upload_at_another_devices_place_is_invalid(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    _, key = await granted(runtime)

    with pytest.raises(errors.InvalidMessage, match="the place of this capture is"):
        await appear(files, key.replace(factories.DEVICE, "line-2"))


@pytest.mark.parametrize("state", [states.UploadState.STORED, states.UploadState.DROPPED])
async def test_a_copy_moved_back_is_left_alone(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession, state: states.UploadState
) -> None:
    capture, key = await granted(runtime)
    async with roles.arranging(runtime).begin() as other:
        (await upload_of(other, capture)).state = state
    await runtime.storage.put(key, b"whatever")

    await appear(files, key)

    assert await runtime.storage.size(key) == len(b"whatever")
    assert (await upload_of(session, capture)).state == state


async def test_many_uploads_are_judged_each_by_itself(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    good, again, other, none, gone = [
        await granted(runtime, body) for body in (BODY, BODY, factories.picture(2), b"no image", factories.picture(3))
    ]
    for capture, key in (good, again, none):
        await runtime.storage.put(key, b"no image" if capture is none[0] else BODY)
    await runtime.storage.put(other[1], b"others")
    unknown = keys.upload(factories.capture(b"broken"))
    await runtime.storage.put(unknown, b"broken")
    uploads = [key for _, key in (good, again, other, none, gone)] + [unknown]
    happened = [object_changes.ObjectsChanged(project=factories.PROJECT, objects=((key, "01"),)) for key in uploads]

    with pytest.raises(errors.PartialFailure) as caught:
        await files.on_objects_changed([*happened, happened[0].model_copy(update={"id": ids.uuid7()})])

    assert set(caught.value.failed) == {happened[3].id, happened[5].id}
    assert "neither JPEG, PNG nor WebP" in str(caught.value.failed[happened[3].id])
    assert "neither JPEG, PNG nor WebP" in str(caught.value.failed[happened[5].id])
    states = [(await upload_of(session, capture)).state for capture, _ in (good, again, other, none, gone)]
    assert states == ["stored", "stored", "granted", "dropped", "granted"]
    stored = {event.capture_id for event in await wait.outbox(runtime) if isinstance(event, events.ImageStored)}
    assert stored == {good[0].id, again[0].id}


async def test_one_that_may_come_right_brings_the_message_back(
    runtime: app.Runtime, files: object_changes.ObjectChanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, key = await granted(runtime)
    monkeypatch.setattr(runtime.storage, "bucket", "away")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        await appear(files, NO_LABEL, key)

    monkeypatch.undo()
    await runtime.storage.put(key, BODY)
    with pytest.raises(errors.InvalidMessage, match=r"holiday\.jpg"):
        await appear(files, NO_LABEL, key)
    assert [event.capture_id for event in await wait.outbox(runtime)] == [capture.id]  # type: ignore[attr-defined]


async def test_one_invalid_object_does_not_keep_the_others_out(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    with pytest.raises(errors.InvalidMessage, match=r"holiday\.jpg"):
        await appear(files, NO_LABEL, key)

    assert (await upload_of(session, capture)).state == "stored"
