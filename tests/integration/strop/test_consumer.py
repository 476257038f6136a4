"""One message, one transaction; then acknowledge."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, outbox, sqs
from strop_contracts import errors, events, tables, topology
from tests import wait
from tests.integration.strop.conftest import SERVICE, Consume, Receive, Send, done, empty, received, work


async def test_a_message_is_handled_and_acknowledged(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    await send(received().dumps())

    await consume().take(await receive())

    assert await done(runtime) == 1
    assert await empty(runtime)


async def test_a_redelivery_does_nothing(runtime: app.Runtime, consume: Consume, send: Send, receive: Receive) -> None:
    body = received().dumps()
    await send(body)
    await consume().take(await receive())
    await send(body)

    await consume().take(await receive())

    assert await done(runtime) == 1
    assert await empty(runtime)


async def test_two_deliveries_at_the_same_moment_do_one_piece_of_work(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    started = []

    async def slow(event: events.CaptureReceived, session: AsyncSession) -> None:
        started.append(event)
        await work(event, session)
        await session.execute(select(func.pg_sleep(0.3)))

    body = received().dumps()
    await send(body, body)

    await consume(slow).take(await receive(2))

    assert len(started) == await done(runtime) == 1
    assert await empty(runtime)


async def test_a_failing_handler_leaves_no_row_and_its_message_comes_back(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    async def failing(event: events.CaptureReceived, session: AsyncSession) -> None:
        await work(event, session)
        await outbox.add(session, received())
        raise ZeroDivisionError

    await send(received().dumps())

    await consume(failing).take(await receive())

    async with runtime.sessions() as session:
        for table in (tables.Policy, tables.Outbox, tables.Inbox):
            assert not list(await session.scalars(select(table)))
    (again,) = await receive()
    assert again.receives == 2
    await consume().take([again])
    assert await done(runtime) == 1


@pytest.mark.parametrize("failure", ["handler", "body", "no handler"])
async def test_what_is_invalid_goes_to_the_dead_letter_queue_at_once(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive, failure: str
) -> None:
    async def refusing(event: events.CaptureReceived, session: AsyncSession) -> None:
        await work(event, session)
        raise errors.InvalidMessage("no such line")

    other = events.ImageRequested(**received().model_dump())
    body = {"handler": received().dumps(), "body": "no event", "no handler": other.dumps()}[failure]
    await send(body)

    await consume(refusing).take(await receive())

    reasons = {"handler": "no such line", "body": "not an event", "no handler": "router has no handler for"}
    letter, reason = await wait.for_letter(runtime, SERVICE)
    assert letter == body
    assert reasons[failure] in reason
    assert await done(runtime) == 0
    assert await empty(runtime)


async def test_a_handler_may_have_its_message_later(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    async def later(event: events.CaptureReceived, session: AsyncSession) -> None:
        await work(event, session)
        raise errors.RetryLater("the camera sleeps", delay=2)

    await send(received().dumps())
    await consume(later).take(await receive())
    begun = time.monotonic()

    (again,) = await receive()

    assert again.receives == 2
    assert time.monotonic() - begun > 1
    assert await done(runtime) == 0


async def test_a_message_stays_hidden_while_it_is_worked_on(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "VISIBILITY", 6)
    await runtime.queues.create([SERVICE])
    release = asyncio.Event()

    async def long_work(event: events.CaptureReceived) -> None:
        await release.wait()

    await send(received().dumps())
    reading = consume(long_work, "long")
    working = asyncio.create_task(reading.take(await receive()))

    assert not await runtime.queues.receive(SERVICE, wait=9)  # without the heartbeat it would be back after 6 s
    release.set()
    await working

    assert await empty(runtime)


async def test_long_work_that_fails_comes_back(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    attempts = []

    async def long_work(event: events.CaptureReceived) -> None:
        attempts.append(event)
        if len(attempts) == 1:
            raise errors.RetryLater("no lease", delay=0)

    await send(received().dumps())
    reading = consume(long_work, "long")

    await reading.take(await receive())
    await reading.take(await receive())

    assert len(attempts) == 2
    assert await empty(runtime)


async def test_a_body_with_nothing_to_do_is_acknowledged(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    await send("a test message")

    await consume(loads=lambda _: None).take(await receive())

    assert await empty(runtime)


async def test_messages_stay_in_the_queue_while_what_they_need_is_away(
    runtime: app.Runtime, consume: Consume, send: Send, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "PROBE_EVERY", 0.01)
    monkeypatch.setattr(consumer, "plan_retry", lambda *_: 0)
    looks, attempts = 0, 0

    async def needs() -> None:
        nonlocal looks
        looks += 1
        if looks < 20:
            raise ConnectionRefusedError("the bucket is away")

    async def handle(event: events.CaptureReceived, session: AsyncSession) -> None:
        nonlocal attempts
        attempts += 1
        if looks < 20:
            raise ConnectionRefusedError("the bucket is away")
        await work(event, session)

    await send(received().dumps())
    running = asyncio.create_task(consume(handle, needs=needs).run(stop))

    await wait.until(lambda: empty(runtime))
    stop.set()
    await wait.within(running, wait.PATIENCE)

    assert (attempts, looks) == (2, 20)
    assert await done(runtime) == 1


class Away(sqs.Queues):
    """Queues that cannot be reached for a moment when something shall be deleted."""

    failures = 0

    async def delete(self, name: str, receipts: Sequence[str]) -> None:
        self.failures += 1
        if self.failures == 1:
            raise ConnectionResetError("away")
        await super().delete(name, receipts)


async def test_a_queue_that_is_away_does_not_end_the_consumer(
    runtime: app.Runtime, send: Send, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "VISIBILITY", 1)
    await runtime.queues.create([SERVICE])
    queues = Away(runtime.queues._client, runtime.settings.queue_prefix)
    await send(received().dumps())
    reading = consumer.Consumer(
        SERVICE, runtime.sessions, queues, consumer.Handlers({events.CaptureReceived: work}), wait=1
    )
    running = asyncio.create_task(reading.run(stop))

    await wait.until(lambda: empty(runtime))
    stop.set()
    await wait.within(running, wait.PATIENCE)

    assert queues.failures == 2
    assert await done(runtime) == 1


# --- stopping ---


async def test_a_stop_finishes_the_message_in_hand(
    runtime: app.Runtime, consume: Consume, send: Send, stop: asyncio.Event
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(event: events.CaptureReceived, session: AsyncSession) -> None:
        begun.set()
        await release.wait()
        await work(event, session)

    await send(received().dumps())
    running = asyncio.create_task(consume(slow).run(stop))
    await wait.within(begun.wait(), wait.PATIENCE)

    stop.set()
    release.set()
    await wait.within(running, wait.PATIENCE)

    assert await done(runtime) == 1
    assert await empty(runtime)


async def test_a_stop_does_not_wait_for_the_end_of_a_long_poll(runtime: app.Runtime, stop: asyncio.Event) -> None:
    reading = consumer.Consumer(SERVICE, runtime.sessions, runtime.queues, consumer.Handlers(), wait=20)
    running = asyncio.create_task(reading.run(stop))
    await asyncio.wait([running], timeout=0.5)
    begun = time.monotonic()

    stop.set()
    await wait.within(running, wait.PATIENCE)

    assert time.monotonic() - begun < 10
