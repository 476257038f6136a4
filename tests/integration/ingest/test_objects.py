"""What follows when an object appears in the bucket."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import answers, objects, places, queries
from strop import app, errors, events, models, mqtt, storage
from strop_wire import ids
from tests import factories, wait
from tests.device import Device

pytestmark = pytest.mark.usefixtures("enrolled")

BODY = factories.picture(1)
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def files(runtime: app.Runtime) -> objects.Objects:
    """The handler of what appears. Its broker is away, which changes nothing of what it does."""
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    return objects.Objects(runtime.sessions, runtime.storage, answers.Answers(runtime.storage, broker))


async def appear(files: objects.Objects, *keys: str, sequencer: str = "01") -> None:
    """Tell of objects in one notification, and raise what is wrong with it."""
    found = tuple((key, sequencer) for key in keys)
    event = objects.ObjectsCreated(project=factories.PROJECT, objects=found, at=WHEN)
    try:
        await files.on_objects_created([event])
    except errors.PartialFailure as partial:
        raise partial.failed[event.id] from partial


async def granted(runtime: app.Runtime, body: bytes = BODY, **changes: object) -> tuple[models.Capture, str]:
    """A capture whose image may be uploaded, and where to."""
    async with runtime.sessions.begin() as session:
        capture = await factories.make_capture(session, body, **changes)
        key = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
        session.add(models.Upload(capture_id=capture.id, state="granted", key=key))
    return capture, key


async def upload_of(session: AsyncSession, capture: models.Capture) -> models.Upload:
    return await session.get_one(models.Upload, capture.id, populate_existing=True)


# --- a device's upload ---


async def test_an_image_arrives_though_its_device_lost_it_right_after_the_upload(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with runtime.sessions.begin() as losing:
        await queries.drop_lost(losing, {((capture.project, capture.device), capture.id): "device: full"})

    await appear(files, key)

    upload = await upload_of(session, capture)
    assert (upload.state, upload.reason, upload.key) == ("stored", None, key)
    assert [type(each) for each in await wait.outbox(runtime)] == [events.ImageStored]


async def test_what_was_dropped_for_another_reason_does_not_arrive(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)
    async with runtime.sessions.begin() as dropping:
        await queries.drop(dropping, capture, "duplicate")

    await appear(files, key)

    assert (await upload_of(session, capture)).state == "dropped"


async def test_an_image_that_is_what_was_announced_is_stored(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    await appear(files, key)

    image = await session.get_one(models.Image, (capture.project, capture.sha256))
    assert (image.size, image.content_type, image.width, image.height) == (len(BODY), "image/jpeg", 64, 48)
    assert await runtime.storage.get(storage.image_key(capture.project, capture.sha256)) == BODY
    assert await runtime.storage.get(key) == BODY
    upload = await upload_of(session, capture)
    assert upload.state == "stored"
    assert upload.stored_at is not None
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.ImageStored)
    assert (happened.capture_id, happened.device, happened.sha256) == (capture.id, capture.device, capture.sha256)


async def test_told_twice_or_at_once_it_is_stored_once(runtime: app.Runtime, files: objects.Objects) -> None:
    _, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    await asyncio.gather(*(appear(files, key) for _ in range(3)))
    await appear(files, key)

    assert len(await wait.outbox(runtime)) == 1


async def test_a_device_may_be_quicker_than_the_commit_of_its_grant(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    async with runtime.sessions.begin() as other:
        capture = await factories.make_capture(other, BODY)
    key = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
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
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, arrived: bytes, reason: str
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


async def test_what_never_matches_is_dropped_with_the_reason(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)

    for _ in range(places.MAX_ATTEMPTS - 1):
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
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, body: bytes, content_type: str, reason: str
) -> None:
    capture, key = await granted(runtime, body, content_type=content_type)
    await runtime.storage.put(key, body)

    with pytest.raises(errors.InvalidMessage, match=reason):
        await appear(files, key)

    upload = await upload_of(session, capture)
    assert upload.state == "dropped"
    assert reason in (upload.reason or "")
    assert await session.get(models.Image, (capture.project, capture.sha256)) is None
    assert await runtime.storage.size(storage.image_key(capture.project, capture.sha256)) is None
    assert not await wait.outbox(runtime)


async def test_an_upload_of_an_unknown_capture_is_invalid(files: objects.Objects) -> None:
    key = places.field_key(factories.PROJECT, factories.DEVICE, ids.uuid7(), "image/jpeg")

    with pytest.raises(errors.InvalidMessage, match="there is no capture"):
        await appear(files, key)


async def test_an_upload_at_another_devices_place_is_invalid(runtime: app.Runtime, files: objects.Objects) -> None:
    _, key = await granted(runtime)

    with pytest.raises(errors.InvalidMessage, match="the place of this capture is"):
        await appear(files, key.replace(factories.DEVICE, "line-2"))


@pytest.mark.parametrize("state", ["stored", "dropped"])
async def test_a_copy_moved_back_is_left_alone(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, state: str
) -> None:
    capture, key = await granted(runtime)
    async with runtime.sessions.begin() as other:
        (await upload_of(other, capture)).state = state
    await runtime.storage.put(key, b"whatever")

    await appear(files, key)

    assert await runtime.storage.size(key) == len(b"whatever")
    assert (await upload_of(session, capture)).state == state


async def test_many_uploads_are_judged_each_by_itself(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    good, again, other, none, gone = [
        await granted(runtime, body) for body in (BODY, BODY, factories.picture(2), b"no image", factories.picture(3))
    ]
    for capture, key in (good, again, none):
        await runtime.storage.put(key, b"no image" if capture is none[0] else BODY)
    await runtime.storage.put(other[1], b"others")
    unknown = places.field_key(factories.PROJECT, factories.DEVICE, ids.uuid7(), "image/jpeg")
    keys = [key for _, key in (good, again, other, none, gone)] + [unknown]
    happened = [objects.ObjectsCreated(project=factories.PROJECT, objects=((key, "01"),)) for key in keys]

    with pytest.raises(errors.PartialFailure) as caught:
        await files.on_objects_created([*happened, happened[0].model_copy(update={"id": ids.uuid7()})])

    assert set(caught.value.failed) == {happened[3].id, happened[5].id}
    assert "neither JPEG, PNG nor WebP" in str(caught.value.failed[happened[3].id])
    assert "there is no capture" in str(caught.value.failed[happened[5].id])
    states = [(await upload_of(session, capture)).state for capture, _ in (good, again, other, none, gone)]
    assert states == ["stored", "stored", "granted", "dropped", "granted"]
    stored = {event.capture_id for event in await wait.outbox(runtime) if isinstance(event, events.ImageStored)}
    assert stored == {good[0].id, again[0].id}


async def test_one_that_may_come_right_brings_the_message_back(
    runtime: app.Runtime, files: objects.Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, key = await granted(runtime)
    monkeypatch.setattr(runtime.storage, "bucket", "away")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        await appear(files, "bottles/raw_field_data/line-1/holiday.jpg", key)

    monkeypatch.undo()
    await runtime.storage.put(key, BODY)
    with pytest.raises(errors.InvalidMessage, match=r"holiday\.jpg"):
        await appear(files, "bottles/raw_field_data/line-1/holiday.jpg", key)
    assert [event.capture_id for event in await wait.outbox(runtime)] == [capture.id]  # type: ignore[attr-defined]


async def test_one_invalid_object_does_not_keep_the_others_out(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    capture, key = await granted(runtime)
    await runtime.storage.put(key, BODY)

    with pytest.raises(errors.InvalidMessage, match=r"holiday\.jpg"):
        await appear(files, "bottles/raw_field_data/line-1/holiday.jpg", key)

    assert (await upload_of(session, capture)).state == "stored"


# --- a person's move ---


async def labeled(runtime: app.Runtime, label: str = "can") -> tuple[models.Capture, str]:
    """A capture whose file lies in the folder of a label."""
    async with runtime.sessions.begin() as session:
        capture = await factories.make_capture(session, BODY)
    key = f"{capture.project}/labeled_field_data/{label}/{capture.id}.jpg"
    await runtime.storage.put(key, BODY)
    return capture, key


async def test_a_file_moved_by_hand_is_a_label(runtime: app.Runtime, files: objects.Objects) -> None:
    capture, key = await labeled(runtime, "coffee mug")

    await appear(files, key)
    await appear(files, key)  # S3 tells at least once

    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.LabelFiled)
    assert (happened.capture_id, happened.label) == (capture.id, "coffee mug")
    assert happened.at == WHEN


async def test_a_file_moved_away_and_back_by_hand_is_a_label_again(
    runtime: app.Runtime, files: objects.Objects
) -> None:
    _, key = await labeled(runtime)

    await appear(files, key, sequencer="01")
    await appear(files, key, sequencer="02")

    assert len(await wait.outbox(runtime)) == 2


@pytest.mark.parametrize(("label", "filed"), [("can", 0), ("mug", 1), (None, 1)])
async def test_a_folder_that_agrees_with_the_ground_truth_says_nothing_new(
    runtime: app.Runtime, files: objects.Objects, label: str | None, filed: int
) -> None:
    """So our own moves do not come back as labels."""
    capture, key = await labeled(runtime, "can")
    async with runtime.sessions.begin() as session:
        about = {"capture_id": capture.id, "project": capture.project, "device": capture.device}
        session.add(models.GroundTruth(**about, sha256=capture.sha256, label=label, author="ada"))

    await appear(files, key)

    assert len(await wait.outbox(runtime)) == filed


async def test_a_file_that_moved_on_says_nothing(runtime: app.Runtime, files: objects.Objects) -> None:
    _, key = await labeled(runtime)
    await runtime.storage.delete(key)

    await appear(files, key)

    assert not await wait.outbox(runtime)


async def test_a_file_of_another_project_is_invalid(runtime: app.Runtime, files: objects.Objects) -> None:
    capture, _ = await labeled(runtime)
    key = f"cans/labeled_field_data/can/{capture.id}.jpg"
    await runtime.storage.put(key, BODY)

    with pytest.raises(errors.InvalidMessage, match="project cans has no capture"):
        await appear(files, key)


# --- a base data set ---

ITEM = "bottles/datasets/base/train/can/1.jpg"


async def test_an_image_of_a_data_set_becomes_an_item(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, BODY)

    await appear(files, ITEM)
    await appear(files, ITEM)

    (item,) = await session.scalars(select(models.DatasetItem))
    assert (item.dataset, item.split, item.label, item.refused) == ("base", "train", "can", None)
    assert item.sha256 == storage.digest(BODY)
    assert await runtime.storage.get(storage.image_key("bottles", storage.digest(BODY))) == BODY
    assert (await session.get_one(models.Image, ("bottles", item.sha256))).width == 64


async def test_a_file_of_a_data_set_that_is_no_image_is_refused_with_the_reason(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, b"readme")

    await appear(files, ITEM)

    (item,) = await session.scalars(select(models.DatasetItem))
    assert (item.sha256, item.refused) == (None, "neither JPEG, PNG nor WebP")


async def test_a_file_written_again_replaces_the_item(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, b"readme")
    await appear(files, ITEM)
    await runtime.storage.put(ITEM, BODY)

    await appear(files, ITEM)

    (item,) = await session.scalars(select(models.DatasetItem))
    assert (item.sha256, item.refused) == (storage.digest(BODY), None)


async def test_a_data_set_of_an_unknown_project_is_invalid(runtime: app.Runtime, files: objects.Objects) -> None:
    with pytest.raises(errors.InvalidMessage, match="there is no project cans"):
        await appear(files, ITEM.replace("bottles", "cans"))


async def test_a_file_that_was_taken_away_is_no_item(files: objects.Objects, session: AsyncSession) -> None:
    await appear(files, ITEM)

    assert not list(await session.scalars(select(models.DatasetItem)))


# --- the whole way ---


@pytest.mark.usefixtures("ingest")
async def test_a_device_is_told_what_became_of_its_upload(runtime: app.Runtime, phone: Device) -> None:
    said = factories.announcement(BODY)
    await phone.say(said)
    (received,) = await wait.for_events(runtime, "router")
    assert isinstance(received, events.CaptureReceived)
    about = {"project": received.project, "capture_id": received.capture_id, "device": received.device}
    requested = json.loads(events.ImageRequested(**about).dumps())
    await send(runtime, requested)
    grant = await phone.hear_of(said.id)

    await phone.put(grant, b"another file")
    again = await phone.hear_of(said.id)
    await phone.put(again, BODY)

    assert (grant.action, again.action) == ("upload", "upload")
    assert (await phone.hear_of(said.id)).action == "stored"
    (stored,) = await wait.for_events(runtime, "labeling-queue")
    assert isinstance(stored, events.ImageStored)
    assert stored.capture_id == received.capture_id


@pytest.mark.usefixtures("ingest")
async def test_what_s3_says_of_nobodys_upload_ends_on_the_dead_letter_queue(runtime: app.Runtime) -> None:
    await send(runtime, {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": runtime.settings.bucket})
    await runtime.storage.put(f"{factories.PROJECT}/raw_field_data/line-1/holiday photo.jpg", BODY)

    body, reason = await wait.for_letter(runtime, "ingest")

    assert "holiday photo.jpg" in reason
    assert "Records" in json.loads(body)


async def send(runtime: app.Runtime, body: object) -> None:
    client, url = runtime.queues._client, await runtime.queues.url("ingest")
    await client.send_message(QueueUrl=url, MessageBody=json.dumps(body))
