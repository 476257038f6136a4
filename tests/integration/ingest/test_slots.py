"""Several copies of ingest: each has a number of its own, and what a copy leaves behind is taken in by the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, text

from ingest import announcements, answers, slots
from strop import app, mqtt
from strop_contracts import tables
from tests import device, factories, roles, wait


@pytest.fixture
async def heir(runtime: app.Runtime) -> AsyncIterator[slots.Heir]:
    """Runs only where the broker can share a subscription: on the embedded one there is one ingest, without a number."""
    assert runtime.settings.mqtt_shared
    async with mqtt.connect(runtime.settings.mqtt_url, f"{runtime.settings.bucket}-tell") as link:
        tell = answers.Answers(runtime.storage, link)
        yield slots.Heir(runtime.sessions, runtime.settings, mqtt.tls_context(runtime.settings), tell)


@pytest.fixture
def slot(runtime: app.Runtime) -> slots.Slot:
    return slots.Slot(runtime.sessions, announcements.client_id(runtime.settings))


async def captures(runtime: app.Runtime) -> int:
    async with roles.arranging(runtime)() as session:
        return await session.scalar(select(func.count()).select_from(tables.Capture)) or 0


async def test_each_copy_takes_the_lowest_free_number(runtime: app.Runtime, stop: asyncio.Event) -> None:
    first, second, third = (slots.Slot(runtime.sessions, "copy") for _ in range(3))
    assert [await first.take(stop), await second.take(stop)] == ["copy", "copy-1"]
    await first.release()
    assert await third.take(stop) == "copy"
    for each in (second, third):
        await each.release()


async def test_a_copy_without_a_number_can_be_stopped(
    runtime: app.Runtime, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "LIMIT", 0)
    waiting = asyncio.create_task(slots.Slot(runtime.sessions, "copy").take(stop))
    stop.set()
    assert await waiting is None


async def cut_connections(runtime: app.Runtime) -> None:
    async with roles.arranging(runtime)() as session:
        await session.execute(
            text(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )


async def is_held(runtime: app.Runtime, name: str) -> bool:
    held = await slots._lock(runtime.sessions, name)
    if held:
        await held.invalidate()
    return held is None


async def test_a_copy_takes_its_number_again_when_the_database_lost_it(
    runtime: app.Runtime, slot: slots.Slot, stop: asyncio.Event
) -> None:
    name = await slot.take(stop)
    assert name
    await cut_connections(runtime)
    keeping = asyncio.create_task(slot.keep(stop))

    async def held_again() -> bool:
        return slot._held is not None and await is_held(runtime, name)

    await wait.until(held_again)
    stop.set()
    await keeping
    await slot.release()


async def test_a_copy_whose_number_is_taken_ends(runtime: app.Runtime, slot: slots.Slot, stop: asyncio.Event) -> None:
    await slot.take(stop)
    await cut_connections(runtime)
    quicker = slots.Slot(runtime.sessions, announcements.client_id(runtime.settings))
    await quicker.take(stop)
    with pytest.raises(RuntimeError, match="another copy of ingest is"):
        await asyncio.wait_for(slot.keep(stop), wait.PATIENCE)
    await quicker.release()


@pytest.mark.usefixtures("enrolled")
async def test_what_a_copy_left_behind_is_stored_and_its_session_ends(
    runtime: app.Runtime, heir: slots.Heir, slot: slots.Slot, phone: device.Device, stop: asyncio.Event
) -> None:
    settings, gone = runtime.settings, slot.client_id(3)
    async with mqtt.connect(settings.mqtt_url, gone, announcements.filters(settings)) as left:
        await asyncio.wait_for(left.connected.wait(), wait.PATIENCE)
    for number in range(20):
        await phone.say(factories.announcement(f"{number}".encode()))

    await heir.look({gone}, stop)
    assert await captures(runtime) == 0, "it may only have lost its database for a moment"
    await heir.look({gone}, stop)

    assert await captures(runtime) == 20
    async with mqtt.connect(settings.mqtt_url, gone, announcements.filters(settings)) as again:
        await asyncio.wait_for(again.connected.wait(), wait.PATIENCE)
        assert not again.resumed
    await device.forget(settings.mqtt_url, gone)


async def test_a_copy_that_is_there_is_left_alone(
    runtime: app.Runtime, heir: slots.Heir, slot: slots.Slot, stop: asyncio.Event
) -> None:
    name = await slot.take(stop)
    assert name
    async with mqtt.connect(runtime.settings.mqtt_url, name, announcements.filters(runtime.settings)) as working:
        await asyncio.wait_for(working.connected.wait(), wait.PATIENCE)
        for _ in range(3):
            await heir.look({name}, stop)
        assert working.session == 1
        assert working.connected.is_set()
    await slot.release()
    await device.forget(runtime.settings.mqtt_url, name)


@pytest.mark.usefixtures("enrolled")
async def test_looking_after_numbers_that_nobody_ever_had_takes_no_message_away(
    runtime: app.Runtime, heir: slots.Heir, slot: slots.Slot, phone: device.Device, stop: asyncio.Event
) -> None:
    settings, mine = runtime.settings, slot.client_id(0)
    async with mqtt.connect(settings.mqtt_url, mine, announcements.filters(settings)) as working:
        await asyncio.wait_for(working.connected.wait(), wait.PATIENCE)
        looking = asyncio.create_task(look_twice(heir, slot.others(), stop))
        said = 0
        while not looking.done():
            await phone.say(factories.announcement(f"{said}".encode()))
            said += 1
        await looking
        heard = 0
        async with asyncio.timeout(wait.PATIENCE):
            while heard < said:
                batch = await working.batch()
                working.acknowledge(batch)
                heard += len(batch)
    await device.forget(settings.mqtt_url, mine)


async def look_twice(heir: slots.Heir, others: set[str], stop: asyncio.Event) -> None:
    await heir.look(others, stop)
    await heir.look(others, stop)
