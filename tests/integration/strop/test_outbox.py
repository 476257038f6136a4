"""What follows from a transaction leaves with it, and arrives."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, deadletters, outbox, sqs
from strop_contracts import events, tables
from tests import wait
from tests.integration.strop.conftest import SERVICE, done, received


async def left(runtime: app.Runtime) -> int:
    async with runtime.sessions() as session:
        return await session.scalar(select(func.count()).select_from(tables.Outbox)) or 0


async def happen(runtime: app.Runtime, *happened: events.Event) -> None:
    async with runtime.sessions.begin() as session:
        await outbox.add(session, *happened)


async def test_events_arrive_at_their_queues(runtime: app.Runtime) -> None:
    to_router = received()
    to_ingest = events.ImageRequested(**to_router.model_dump(exclude={"id"}))
    await happen(runtime, to_router, to_ingest)

    assert await outbox.relay_once(runtime.sessions, runtime.queues) == 2

    assert await wait.for_events(runtime, "router") == [to_router]
    assert await wait.for_events(runtime, "ingest") == [to_ingest]
    assert await left(runtime) == 0


async def test_what_is_rolled_back_never_leaves(runtime: app.Runtime, session: AsyncSession) -> None:
    await outbox.add(session, received())
    await session.flush()
    await session.rollback()

    assert await outbox.relay_once(runtime.sessions, runtime.queues) == 0


async def test_a_dead_letter_carries_its_reason(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        await outbox.bury(session, SERVICE, [('{"some": "body"}', "it is Tuesday, überall \x00\x1b[1m\ufffe")])
    await outbox.relay_once(runtime.sessions, runtime.queues)

    body, reason = await wait.for_letter(runtime, SERVICE)

    assert json.loads(body) == {"some": "body"}
    assert reason.startswith("it is Tuesday, überall ")
    assert reason.isprintable()


class Crashing(sqs.Queues):
    """Queues whose owner dies just after sending."""

    async def send(self, name: str, messages: Sequence[sqs.Outgoing]) -> dict[int, sqs.Failure]:
        await super().send(name, messages)
        raise ConnectionResetError("crashed")


async def test_a_crash_between_send_and_delete_sends_again_and_the_inbox_absorbs_it(
    runtime: app.Runtime,
    consume: Callable[..., consumer.Consumer],
    receive: Callable[..., "asyncio.Future[list[sqs.Incoming]]"],
) -> None:
    await happen(runtime, received())
    crashing = Crashing(runtime.queues._client, runtime.settings.queue_prefix)
    assert await outbox.relay_once(runtime.sessions, crashing) == 0
    assert await left(runtime) == 1

    await outbox.relay_once(runtime.sessions, runtime.queues)

    both = await receive(2)
    assert len({message.body for message in both}) == 1
    await consume().take(both)
    assert await done(runtime) == 1


async def test_relays_side_by_side_send_each_row_once(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "CLAIM", 20)
    await happen(runtime, *(received() for _ in range(100)))

    async def drain() -> int:
        sent = 0
        while count := await outbox.relay_once(runtime.sessions, runtime.queues):
            sent += count
        return sent

    assert sum(await asyncio.gather(drain(), drain(), drain())) == 100
    assert await runtime.queues.depth(SERVICE) == 100


async def test_a_row_that_a_queue_refuses_stays_and_does_not_hold_up_the_others(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        session.add(tables.Outbox(queue=SERVICE, body="x" * 300_000))
    await happen(runtime, received(), received())

    assert await outbox.relay_once(runtime.sessions, runtime.queues) == 2

    assert len(await wait.for_events(runtime, SERVICE, 2)) == 2
    assert await left(runtime) == 1


async def test_many_refused_rows_become_dead_letters_and_starve_nobody(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        refused = [tables.Outbox(queue=SERVICE, body=f"{n}" + "x" * 300_000) for n in range(outbox.CLAIM)]
        session.add_all(refused)
        await session.flush()
    await happen(runtime, *(received() for _ in range(50)))
    trouble = outbox.Trouble()

    for _ in range(outbox.REFUSALS + 1):
        assert not trouble.resting()
        await outbox.relay_once(runtime.sessions, runtime.queues, trouble)

    assert await runtime.queues.depth(SERVICE) == 50
    assert await left(runtime) == 0
    async with runtime.sessions() as session:
        letters = await deadletters.list_open(session, SERVICE, 1000)
    assert len(letters) == outbox.CLAIM
    assert all(letter.reason.startswith("refused by the queue: ") for letter in letters)


class Overloaded(sqs.Queues):
    """Queues that accept no message at present."""

    async def send(self, name: str, messages: Sequence[sqs.Outgoing]) -> dict[int, sqs.Failure]:
        return dict.fromkeys(range(len(messages)), sqs.Failure(f"InternalError: {name}", permanent=False))


async def test_a_row_that_may_be_accepted_later_is_not_counted_as_refused(runtime: app.Runtime) -> None:
    await happen(runtime, received())
    overloaded = Overloaded(runtime.queues._client, runtime.settings.queue_prefix)

    for _ in range(outbox.REFUSALS):
        assert await outbox.relay_once(runtime.sessions, overloaded) == 0

    assert await outbox.relay_once(runtime.sessions, runtime.queues) == 1


async def test_a_refused_dead_letter_keeps_its_reason(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        await outbox.bury(session, SERVICE, [("x" * 300_000, "no such line")])

    for _ in range(outbox.REFUSALS):
        await outbox.relay_once(runtime.sessions, runtime.queues)

    async with runtime.sessions() as session:
        (letter,) = await deadletters.list_open(session, None, 10)
    assert letter.service == SERVICE
    assert letter.reason.startswith("no such line; refused by the queue: ")


async def test_a_row_that_is_refused_does_not_slow_its_queue_down(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        session.add(tables.Outbox(queue=SERVICE, body="x" * 300_000))
    await happen(runtime, received())
    trouble = outbox.Trouble()

    assert await outbox.relay_once(runtime.sessions, runtime.queues, trouble) == 1

    assert not trouble.resting()


async def test_a_queue_that_is_away_does_not_hold_up_the_others(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        session.add(tables.Outbox(queue="nobody", body="{}"))
    await happen(runtime, received())

    assert await outbox.relay_once(runtime.sessions, runtime.queues) == 1

    assert len(await wait.for_events(runtime, SERVICE)) == 1
    assert await left(runtime) == 1


async def test_a_queue_that_is_away_does_not_hold_up_the_others_however_much_waits_for_it(
    runtime: app.Runtime, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "CLAIM", 5)
    async with runtime.sessions.begin() as session:
        session.add_all(tables.Outbox(queue="nobody", body="{}") for _ in range(12))
        await session.flush()
    await happen(runtime, received())
    relaying = asyncio.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.01))

    assert len(await wait.for_events(runtime, SERVICE)) == 1
    await runtime.queues._create("nobody")

    async def all_sent() -> bool:
        return await left(runtime) == 0

    await wait.until(all_sent)
    stop.set()
    await relaying
    assert await runtime.queues.depth("nobody") == 12


def test_a_queue_in_trouble_is_left_alone_for_longer_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    trouble, pauses = outbox.Trouble(), []

    for _ in range(7):
        trouble.note("router", failed=True)
        began = now
        while trouble.resting():
            now += 1
        pauses.append(now - began)
    trouble.note("router", failed=True)
    trouble.note("router", failed=False)

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert not trouble.resting()


async def test_a_relay_sends_until_it_is_told_to_stop(runtime: app.Runtime, stop: asyncio.Event) -> None:
    relaying = asyncio.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.01))

    await happen(runtime, received())
    await wait.for_events(runtime, SERVICE)
    await happen(runtime, received())
    await wait.for_events(runtime, SERVICE)
    stop.set()
    await wait.within(relaying, wait.PATIENCE)

    await happen(runtime, received())
    assert await left(runtime) == 1
