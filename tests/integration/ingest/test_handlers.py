"""What follows the router's decisions."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import grant_publisher, handlers, queries
from strop import app, mqtt, outbox
from strop_contracts import errors, events, keys, tables
from strop_wire import ids
from tests import factories, roles, wait
from tests.device import Device

pytestmark = pytest.mark.usefixtures("enrolled")

BODY = factories.picture(1)


@pytest.fixture
async def decisions(runtime: app.Runtime) -> handlers.Decisions:
    """The handlers. Their broker is away, so nothing can be told: the device will ask again."""
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    return handlers.Decisions(
        runtime.sessions, runtime.storage, grant_publisher.GrantPublisher(runtime.storage, broker)
    )


async def announced(runtime: app.Runtime, **changes: object) -> tables.Capture:
    async with roles.arranging(runtime).begin() as session:
        return await factories.make_capture(session, BODY, **changes)


def requested(capture: tables.Capture) -> events.ImageRequested:
    return events.ImageRequested(project=capture.project, capture_id=capture.id, device=capture.device)


def declined(capture: tables.Capture, reason: str = "duplicate") -> events.ImageDeclined:
    about = {"project": capture.project, "capture_id": capture.id, "device": capture.device}
    return events.ImageDeclined(**about, reason=reason)


async def test_a_wanted_image_gets_a_place_even_while_the_broker_is_away(
    runtime: app.Runtime, decisions: handlers.Decisions, session: AsyncSession
) -> None:
    capture = await announced(runtime)

    await decisions.on_images_requested([requested(capture)])
    await decisions.on_images_requested([requested(capture)])

    upload = await session.get_one(tables.Upload, capture.id)
    assert upload.state == "granted"
    assert upload.key == keys.upload(capture)


async def test_an_image_whose_object_is_missing_is_requested_from_the_device(
    runtime: app.Runtime, decisions: handlers.Decisions, session: AsyncSession
) -> None:
    capture = await announced(runtime)
    async with roles.arranging(runtime).begin() as other:
        await factories.make_image(other, capture)

    await decisions.on_images_requested([requested(capture)])

    assert (await session.get_one(tables.Upload, capture.id)).state == "granted"


async def test_an_unwanted_image_is_dropped_with_the_reason(
    runtime: app.Runtime, decisions: handlers.Decisions, session: AsyncSession
) -> None:
    capture = await announced(runtime)

    await decisions.on_images_declined([declined(capture, "device-budget")])

    upload = await session.get_one(tables.Upload, capture.id)
    assert (upload.state, upload.reason, upload.key) == ("dropped", "device-budget", None)


async def test_the_first_decision_stands(
    runtime: app.Runtime, decisions: handlers.Decisions, session: AsyncSession
) -> None:
    capture = await announced(runtime)

    await decisions.on_images_requested([requested(capture)])
    await decisions.on_images_declined([declined(capture)])

    assert (await session.get_one(tables.Upload, capture.id)).state == "granted"


async def test_a_decision_does_not_bring_back_what_the_device_lost(
    runtime: app.Runtime, decisions: handlers.Decisions, session: AsyncSession
) -> None:
    capture = await announced(runtime)
    async with runtime.sessions.begin() as losing:
        await queries.uploads.drop_lost(losing, {(("bottles", "line-1"), capture.id): "device: full"})

    await decisions.on_images_requested([requested(capture)])

    upload = await session.get_one(tables.Upload, capture.id)
    assert (upload.state, upload.reason) == ("dropped", "device: full")


@pytest.mark.parametrize("event", [events.ImageRequested, events.ImageDeclined])
async def test_an_unknown_capture_is_invalid(decisions: handlers.Decisions, event: type[events.Event]) -> None:
    about = {"project": "bottles", "capture_id": ids.uuid7(), "device": "line-1", "reason": "duplicate"}
    made = event.model_validate(about)

    with pytest.raises(errors.InvalidMessage, match="there is no capture"):
        await handlers_by_event(decisions)[event]([made])


def handlers_by_event(
    decisions: handlers.Decisions,
) -> dict[type[events.Event], Callable[[list[Any]], Awaitable[None]]]:
    return {events.ImageRequested: decisions.on_images_requested, events.ImageDeclined: decisions.on_images_declined}


# --- with a device that listens ---


async def happen(runtime: app.Runtime, *happened: events.Event) -> None:
    async with runtime.sessions.begin() as session:
        await outbox.add(session, *happened)


@pytest.mark.usefixtures("ingest")
async def test_a_device_is_told_where_to_put_a_wanted_image(runtime: app.Runtime, phone: Device) -> None:
    capture = await announced(runtime)

    await happen(runtime, requested(capture))

    grant = await phone.hear_of(str(capture.id))
    assert grant.action == "upload"
    assert keys.upload(capture) in (grant.url or "")
    assert grant.headers["content-length"] == str(len(BODY))


@pytest.mark.usefixtures("ingest")
async def test_a_device_is_told_why_an_image_is_not_wanted(runtime: app.Runtime, phone: Device) -> None:
    capture = await announced(runtime)

    await happen(runtime, declined(capture, "between"))

    grant = await phone.hear_of(str(capture.id))
    assert (grant.action, grant.reason) == ("drop", "between")


@pytest.mark.usefixtures("ingest")
async def test_a_device_need_not_send_what_is_here_already(runtime: app.Runtime, phone: Device) -> None:
    capture = await announced(runtime)
    await runtime.storage.put(keys.image(capture.project, capture.sha256), BODY)
    async with roles.arranging(runtime).begin() as session:
        about = {"size": len(BODY), "content_type": "image/jpeg", "width": 64, "height": 48}
        session.add(tables.Image(project=capture.project, sha256=capture.sha256, **about))

    await happen(runtime, requested(capture))

    assert (await phone.hear_of(str(capture.id))).action == "stored"
    (stored,) = await wait.for_events(runtime, "labeling-queue")
    assert isinstance(stored, events.ImageStored)
    assert stored.capture_id == capture.id
