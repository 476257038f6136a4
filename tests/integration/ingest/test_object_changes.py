"""What follows when an object appears in the bucket that no device uploaded, and the whole way of one that it did."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import grant_publisher, object_changes
from strop import app, mqtt, storage
from strop_contracts import errors, events, keys, tables, topology
from strop_wire import messages
from tests import factories, roles, wait
from tests.device import Device
from tests.integration.ingest.bucket import BODY, WHEN, appear

pytestmark = pytest.mark.usefixtures("enrolled")


# --- a person's move ---


async def labeled(runtime: app.Runtime, label: str = "can") -> tuple[tables.Capture, str]:
    """A capture whose file lies in the folder of a label."""
    async with roles.arranging(runtime).begin() as session:
        capture = await factories.make_capture(session, BODY)
    key = f"{capture.project}/labeled_field_data/{label}/{keys.file_name(capture)}"
    await runtime.storage.put(key, BODY)
    return capture, key


async def test_a_file_moved_by_hand_is_a_label(runtime: app.Runtime, files: object_changes.ObjectChanges) -> None:
    capture, key = await labeled(runtime, "coffee mug")

    await appear(files, key)
    await appear(files, key)  # S3 tells at least once

    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.LabelFiled)
    assert (happened.capture_id, happened.label) == (capture.id, "coffee mug")
    assert happened.at == WHEN


async def test_a_file_in_another_spelling_of_a_folder_is_moved_to_the_folder_of_its_label(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    """The event of the moved file follows, so a label has one folder and an image one copy."""
    capture, key = await labeled(runtime, "50% ")
    moved = keys.labeled(capture, "50%")

    await appear(files, key)
    await appear(files, key)
    assert [each async for each in runtime.storage.keys(f"{capture.project}/labeled_field_data/")] == [moved]

    await appear(files, moved)
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.LabelFiled)
    assert happened.label == "50%"


class Replaced(storage.Storage):
    """A bucket in which a person writes a file again while it is copied."""

    def __init__(self, real: storage.Storage) -> None:
        super().__init__(real._client, real._public, real.bucket)

    async def copy(self, source: str, target: str) -> None:
        await super().copy(source, target)
        await self.put(source, factories.picture(2))


async def test_a_file_that_is_written_again_while_it_moves_is_not_deleted(runtime: app.Runtime) -> None:
    _, key = await labeled(runtime, "50% ")
    grants = grant_publisher.GrantPublisher(runtime.storage, mqtt.Mqtt(runtime.settings.mqtt_url, "away"))

    await appear(object_changes.ObjectChanges(runtime.sessions, Replaced(runtime.storage), grants), key)

    assert await runtime.storage.get(key) == factories.picture(2)


async def test_a_file_moved_away_and_back_by_hand_is_a_label_again(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    _, key = await labeled(runtime)

    await appear(files, key, sequencer="01")
    await appear(files, key, sequencer="02")

    assert len(await wait.outbox(runtime)) == 2


@pytest.mark.parametrize(("label", "filed"), [("can", 0), ("mug", 1), (None, 1)])
async def test_a_folder_that_agrees_with_the_ground_truth_says_nothing_new(
    runtime: app.Runtime, files: object_changes.ObjectChanges, label: str | None, filed: int
) -> None:
    """So our own moves do not come back as labels."""
    capture, key = await labeled(runtime, "can")
    async with roles.arranging(runtime).begin() as session:
        about = {"capture_id": capture.id, "project": capture.project, "device": capture.device}
        session.add(tables.GroundTruth(**about, sha256=capture.sha256, label=label, author="ada"))

    await appear(files, key)

    assert len(await wait.outbox(runtime)) == filed


async def test_a_file_that_moved_on_says_nothing(runtime: app.Runtime, files: object_changes.ObjectChanges) -> None:
    _, key = await labeled(runtime)
    await runtime.storage.delete(key)

    await appear(files, key)

    assert not await wait.outbox(runtime)


async def test_a_file_of_an_unknown_project_is_invalid(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    capture, _ = await labeled(runtime)
    key = f"cans/labeled_field_data/can/{capture.id}.jpg"
    await runtime.storage.put(key, BODY)

    with pytest.raises(errors.InvalidMessage, match="there is no project cans"):
        await appear(files, key)


async def test_a_file_moved_into_a_deeper_folder_is_a_label_too(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    capture, key = await labeled(runtime, "daisy")
    deep = key.replace("daisy/", "daisy/day1/")
    await runtime.storage.copy(key, deep)
    await runtime.storage.delete(key)

    await appear(files, deep)
    await appear(files, key)  # it was moved into the label's own folder

    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.LabelFiled)
    assert (happened.capture_id, happened.label) == (capture.id, "daisy")


# --- a base data set ---

ITEM = "bottles/datasets/base/train/can/1.jpg"


async def test_an_image_of_a_data_set_becomes_an_item(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, BODY)

    await appear(files, ITEM)
    await appear(files, ITEM)

    (item,) = await session.scalars(select(tables.DatasetItem))
    assert (item.dataset, item.split, item.label, item.refused) == ("base", "train", "can", None)
    assert item.sha256 == storage.digest(BODY)
    assert await runtime.storage.get(keys.image("bottles", storage.digest(BODY))) == BODY
    assert (await session.get_one(tables.Image, ("bottles", item.sha256))).width == 64


@pytest.mark.parametrize(("folder", "label"), [("N%2FA", "N/A"), ("rose ", "rose"), ("cafe\u0301", "caf\u00e9")])
async def test_the_folder_of_an_item_names_its_label(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession, folder: str, label: str
) -> None:
    await runtime.storage.put(key := f"bottles/datasets/base/train/{folder}/1.jpg", BODY)

    await appear(files, key)

    assert await session.scalar(select(tables.DatasetItem.label)) == label


async def test_a_file_of_a_data_set_that_is_no_image_is_refused_with_the_reason(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, b"readme")

    await appear(files, ITEM)

    (item,) = await session.scalars(select(tables.DatasetItem))
    assert (item.sha256, item.refused) == (None, "neither JPEG, PNG nor WebP")


async def test_an_image_over_the_limit_is_refused_by_that_name_and_never_stored_cut(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, BODY + bytes(messages.MAX_IMAGE_BYTES))  # the picture comes first, then a film

    await appear(files, ITEM)

    (item,) = await session.scalars(select(tables.DatasetItem))
    assert (item.sha256, item.refused) == (None, "larger than 20,971,520 bytes")
    assert [key async for key in runtime.storage.keys("bottles/images/")] == []


async def test_a_file_written_again_replaces_the_item(
    runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await runtime.storage.put(ITEM, b"readme")
    await appear(files, ITEM)
    await runtime.storage.put(ITEM, BODY)

    await appear(files, ITEM)

    (item,) = await session.scalars(select(tables.DatasetItem))
    assert (item.sha256, item.refused) == (storage.digest(BODY), None)


async def test_a_data_set_of_an_unknown_project_is_invalid(
    runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    key = ITEM.replace("bottles", "cans")
    await runtime.storage.put(key, BODY)

    with pytest.raises(errors.InvalidMessage, match="there is no project cans"):
        await appear(files, key)


async def test_a_file_that_was_taken_away_is_no_item(
    files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await appear(files, ITEM)

    assert not list(await session.scalars(select(tables.DatasetItem)))


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
    await runtime.storage.put(f"{factories.PROJECT}/labeled_field_data/holiday photo.jpg", BODY)

    body, reason = await wait.for_letter(runtime, "ingest")

    assert "holiday photo.jpg" in reason
    assert "Records" in json.loads(body)


async def send(runtime: app.Runtime, body: object) -> None:
    client, url = runtime.queues._client, await runtime.queues.url(topology.IMAGES)
    await client.send_message(QueueUrl=url, MessageBody=json.dumps(body))
