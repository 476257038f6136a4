"""Dead letters become rows, once each; a retry is sent exactly once, a drop only marked."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, deadletters, outbox, sqs
from strop_contracts import errors, tables, topology
from strop_wire import ids
from tests import wait
from tests.integration.strop.conftest import SERVICE, received

QUEUE = topology.dead_letter(SERVICE)


async def bury(runtime: app.Runtime, *letters: sqs.Outgoing) -> None:
    assert not await runtime.queues.send(QUEUE, letters)


async def taken(runtime: app.Runtime) -> list[sqs.Incoming]:
    """Take what lies on the dead-letter queue, once there is something, as the reader does."""
    letters = await wait.until(lambda: runtime.queues.receive(QUEUE, wait=1))
    await deadletters.take(runtime.sessions, runtime.queues, SERVICE, letters)
    return letters


async def rows(runtime: app.Runtime) -> list[tables.DeadLetter]:
    async with runtime.sessions() as session:
        return list(await session.scalars(select(tables.DeadLetter).order_by(tables.DeadLetter.body)))


async def row(runtime: app.Runtime) -> tables.DeadLetter:
    (found,) = await rows(runtime)
    return found


async def arrange(runtime: app.Runtime, *bodies: str, service: str = SERVICE) -> list[tables.DeadLetter]:
    made = [tables.DeadLetter(service=service, sha256=body, body=body, reason="no such line") for body in bodies]
    async with runtime.sessions.begin() as session:
        session.add_all(made)
    return made


async def sent(session: AsyncSession) -> list[tuple[str, str, str | None]]:
    found = await session.scalars(select(tables.Outbox).order_by(tables.Outbox.body))
    return [(each.queue, each.body, each.reason) for each in found]


async def test_letters_decided_long_ago_are_deleted_and_open_ones_stay(runtime: app.Runtime) -> None:
    made = await arrange(runtime, "dropped", "dropped lately", "open", "retried")
    async with runtime.sessions.begin() as other:
        await deadletters.drop(other, [made[0].id, made[1].id])
        await deadletters.retry(other, [made[3].id])
        table = tables.DeadLetter
        past = func.now() - deadletters.KEEP - timedelta(minutes=1)
        await other.execute(update(table).where(table.body != "dropped lately").values(last_at=past))

    await deadletters.prune(runtime.sessions)

    assert [letter.body for letter in await rows(runtime)] == ["dropped lately", "open"]


async def test_a_letter_becomes_a_row_and_leaves_the_queue(runtime: app.Runtime) -> None:
    await bury(runtime, sqs.Outgoing("{}", "no such line"))

    await taken(runtime)

    letter = await row(runtime)
    assert (letter.service, letter.body, letter.reason) == (SERVICE, "{}", "no such line")
    assert (letter.count, letter.state) == (1, "open")
    assert await runtime.queues.depth(QUEUE) == 0


async def test_what_sqs_moved_itself_says_after_how_many_tries(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "MAX_RECEIVES", 2)
    await runtime.queues.create([SERVICE])
    await runtime.queues.send(SERVICE, [sqs.Outgoing(received().dumps())])

    async def tried() -> bool:
        for message in await runtime.queues.receive(SERVICE, wait=0):
            await runtime.queues.hide(SERVICE, message.receipt, 0)
        return bool(await runtime.queues.depth(QUEUE))

    await wait.until(tried)
    await taken(runtime)

    assert (await row(runtime)).reason.startswith("gave up after 2 tries")


async def test_the_same_message_delivered_twice_counts_once(runtime: app.Runtime) -> None:
    await bury(runtime, sqs.Outgoing("{}", "no such line"))
    letters = await taken(runtime)

    await deadletters.take(runtime.sessions, runtime.queues, SERVICE, letters)  # as after a crash before the deletion

    assert (await row(runtime)).count == 1


async def test_a_letter_that_is_given_up_again_is_open_again_and_counts_on(runtime: app.Runtime) -> None:
    await bury(runtime, sqs.Outgoing("{}", "no such line"))
    await taken(runtime)
    first = await row(runtime)
    async with runtime.sessions.begin() as session:
        await deadletters.retry(session, [first.id])
    await bury(runtime, sqs.Outgoing("{}", "still no such line"))

    await taken(runtime)

    again = await row(runtime)
    assert (again.id, again.count, again.state, again.reason) == (first.id, 2, "open", "still no such line")
    assert again.first_at == first.first_at < again.last_at


async def test_two_readers_at_once_write_each_letter_once(runtime: app.Runtime) -> None:
    letters = [sqs.Incoming(str(n), f"body {n % 3}", "no receipt", 1, "odd") for n in range(10)]

    await asyncio.gather(
        deadletters.take(runtime.sessions, runtime.queues, SERVICE, letters),
        deadletters.take(runtime.sessions, runtime.queues, SERVICE, letters[::-1]),
    )

    assert {letter.body: letter.count for letter in await rows(runtime)} == {"body 0": 4, "body 1": 3, "body 2": 3}


@pytest.mark.parametrize("body", ["a\0b", "a\ud800b", "\N{REPLACEMENT CHARACTER}"])
async def test_a_letter_with_characters_that_no_database_takes_is_kept(runtime: app.Runtime, body: str) -> None:
    letter = sqs.Incoming("1", body, "no receipt", 1, "odd")

    await deadletters.take(runtime.sessions, runtime.queues, SERVICE, [letter])

    assert len((await row(runtime)).body) == len(body)


async def test_a_retry_is_sent_to_its_service_and_marked_in_one_transaction(
    runtime: app.Runtime, session: AsyncSession
) -> None:
    (letter,) = await arrange(runtime, "a")

    assert await deadletters.retry(session, [letter.id]) == 1

    assert await sent(session) == [(SERVICE, "a", None)]
    await session.rollback()
    assert await sent(session) == []
    assert (await row(runtime)).state == "open"


async def test_two_people_retry_at_once_and_it_is_sent_once(runtime: app.Runtime) -> None:
    (letter,) = await arrange(runtime, "a")

    async def retry() -> int:
        async with runtime.sessions.begin() as session:
            return await deadletters.retry(session, [letter.id])

    assert sorted(await asyncio.gather(retry(), retry())) == [0, 1]
    async with runtime.sessions() as session:
        assert len(await sent(session)) == 1


async def test_all_open_letters_of_a_service_are_retried_together(runtime: app.Runtime, session: AsyncSession) -> None:
    dropped, *_ = await arrange(runtime, "a", "b", "c")
    await arrange(runtime, "d", service="trainer")
    await deadletters.drop(session, [dropped.id])

    assert await deadletters.retry(session, None, SERVICE) == 2
    await session.commit()

    assert await sent(session) == [(SERVICE, "b", None), (SERVICE, "c", None)]
    assert await deadletters.count_open(session) == {"trainer": 1}
    assert await deadletters.retry(session, None) == 1


async def test_a_dropped_letter_stays_as_a_row_and_is_sent_nowhere(runtime: app.Runtime, session: AsyncSession) -> None:
    (letter,) = await arrange(runtime, "a")

    assert await deadletters.drop(session, [letter.id]) == 1
    await session.commit()

    assert (await row(runtime)).state == "dropped"
    assert await deadletters.retry(session, [letter.id]) == 0
    assert await sent(session) == []
    assert await deadletters.list_open(session, None, 10) == []


async def test_the_latest_come_first_and_an_unknown_one_is_not_found(
    runtime: app.Runtime, session: AsyncSession
) -> None:
    for body in "abc":
        await arrange(runtime, body)

    assert [letter.body for letter in await deadletters.list_open(session, SERVICE, 2)] == ["c", "b"]
    with pytest.raises(errors.NotFound, match="no dead letter"):
        await deadletters.get(session, ids.uuid7())


async def test_the_reader_keeps_the_number_of_open_letters_in_the_metrics(
    runtime: app.Runtime, stop: asyncio.Event
) -> None:
    reading = asyncio.create_task(deadletters.read(runtime.sessions, runtime.queues, SERVICE, stop))
    await bury(runtime, sqs.Outgoing("a", "odd"), sqs.Outgoing("b", "odd"))

    async def counted() -> bool:
        return REGISTRY.get_sample_value("strop_dead_letters", {"service": SERVICE}) == 2

    await wait.until(counted)
    stop.set()
    await wait.within(reading, wait.PATIENCE)


async def test_what_a_handler_refuses_is_handled_after_its_retry(runtime: app.Runtime, stop: asyncio.Event) -> None:
    """The whole way: refused, buried, read, retried, sent by the relay, handled."""
    event, ready, seen = received(), asyncio.Event(), []

    async def handler(event: object, session: AsyncSession) -> None:
        if not ready.is_set():
            raise errors.InvalidMessage("the line is not there yet")
        seen.append(event)

    reader = consumer.Consumer(
        SERVICE, runtime.sessions, runtime.queues, consumer.Handlers({type(event): handler}), wait=1
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run(stop))
        group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02))
        group.create_task(deadletters.read(runtime.sessions, runtime.queues, SERVICE, stop))
        assert not await runtime.queues.send(SERVICE, [sqs.Outgoing(event.dumps())])
        (letter,) = await wait.until(lambda: rows(runtime))
        ready.set()
        async with runtime.sessions.begin() as session:
            await deadletters.retry(session, [letter.id])

        async def handled() -> bool:
            return bool(seen)

        await wait.until(handled)
        stop.set()

    assert seen == [event]
    assert (await row(runtime)).state == "retried"
