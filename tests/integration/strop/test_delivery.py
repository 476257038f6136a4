"""What SQS may do to a consumer: deliver during the work, again and again, and to several copies at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from botocore.exceptions import ClientError
from prometheus_client import REGISTRY
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, consumer, deadletters, loops, sqs
from strop_contracts import errors, events, tables, topology
from tests import wait
from tests.integration.strop.conftest import SERVICE, done, received, work

Consume = Callable[..., consumer.Consumer]
Send = Callable[..., Awaitable[None]]


@asynccontextmanager
async def running(*started: loops.Loop) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for loop in started:
            group.create_task(loop(stop))
        yield
        stop.set()


async def hidden_for(runtime: app.Runtime, seconds: int) -> None:
    """Let messages of the queue be delivered again after so many seconds."""
    url = await runtime.queues.url(SERVICE)
    await runtime.queues._client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})


def outcome(name: str) -> float:
    return REGISTRY.get_sample_value("strop_messages_total", {"service": SERVICE, "outcome": name}) or 0.0


async def test_a_message_delivered_again_during_the_work_is_worked_on_once(
    runtime: app.Runtime, consume: Consume, send: Send
) -> None:
    """The queue's time-out is shorter than the work, and no heartbeat comes in time."""

    async def slow(event: events.CaptureReceived, session: AsyncSession) -> None:
        await work(event, session)
        await session.execute(select(func.pg_sleep(2.5)))

    await hidden_for(runtime, 1)
    before = outcome("repeated")
    await send(received().dumps())
    async with running(consume(slow).run, consume(slow).run):

        async def empty() -> bool:
            return await runtime.queues.depth(SERVICE) == 0

        await wait.until(empty)

    assert await done(runtime) == 1
    assert outcome("repeated") > before, "it was never delivered during the work"


async def test_a_poisonous_message_ends_as_a_dead_letter_and_holds_up_nobody(
    runtime: app.Runtime, consume: Consume, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "MAX_RECEIVES", 2)
    monkeypatch.setattr(consumer, "plan_retry", lambda *_: 0)
    await runtime.queues.create([SERVICE])
    poison, tries = received(), Counter[str]()

    async def choking(event: events.CaptureReceived, session: AsyncSession) -> None:
        tries[str(event.id)] += 1
        if event.id == poison.id:
            raise ZeroDivisionError

    async def reading(stop: asyncio.Event) -> None:
        await deadletters.read(runtime.sessions, runtime.queues, SERVICE, stop)

    async def letters() -> list[tables.DeadLetter]:
        async with runtime.sessions() as session:
            return list(await session.scalars(select(tables.DeadLetter)))

    await send(poison.dumps(), *(received().dumps() for _ in range(5)))
    async with running(consume(choking).run, reading):
        (letter,) = await wait.until(letters)

    assert (letter.body, letter.count) == (poison.dumps(), 1)
    assert letter.reason == "gave up after 2 tries: ZeroDivisionError: "
    assert tries.pop(str(poison.id)) == 2
    assert list(tries.values()) == [1] * 5


class Killed(BaseException):
    """The process ends here; no error of a handler."""


async def test_a_message_that_kills_its_process_takes_no_other_along(
    runtime: app.Runtime, consume: Consume, send: Send
) -> None:
    poison, handled = received(), Counter[str]()

    async def choking(batch: Sequence[events.CaptureReceived], session: AsyncSession) -> None:
        if poison.id in {event.id for event in batch}:
            raise Killed
        handled.update(str(event.id) for event in batch)

    good = [received() for _ in range(39)]
    await send(poison.dumps(), *(each.dumps() for each in good))
    crashes = 0
    while messages := await runtime.queues.receive(SERVICE, wait=1, limit=consumer.BATCH):
        try:
            await consume(choking, "batch").take(messages)
        except Killed:
            crashes += 1
            for message in messages:
                with suppress(ClientError):  # acknowledged before
                    await runtime.queues.hide(SERVICE, message.receipt, 0)

    assert handled == Counter(str(each.id) for each in good)
    assert crashes == topology.MAX_RECEIVES
    assert await runtime.queues.depth(topology.dead_letter(SERVICE)) == 1


async def test_a_message_that_is_not_ready_outlasts_a_minute_and_keeps_its_reason(
    runtime: app.Runtime, consume: Consume, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    hide = runtime.queues.hide

    async def hidden(name: str, receipt: str, seconds: float) -> None:
        delays.append(seconds)
        await hide(name, receipt, 0)

    async def later(event: events.CaptureReceived, session: AsyncSession) -> None:
        raise errors.RetryLater("the camera sleeps")

    monkeypatch.setattr(runtime.queues, "hide", hidden)
    await send(received().dumps())
    async with running(consume(later).run):
        _, reason = await wait.for_letter(runtime, SERVICE)

    assert reason == "gave up after 12 tries: RetryLater: the camera sleeps"
    assert len(delays) == topology.MAX_RECEIVES - 1
    assert sum(delays) > 900


async def test_two_copies_share_the_work_and_do_none_twice(runtime: app.Runtime, consume: Consume) -> None:
    by_copy: list[Counter[str]] = [Counter(), Counter()]

    def copy(number: int) -> consumer.Consumer:
        async def handle(event: events.CaptureReceived, session: AsyncSession) -> None:
            by_copy[number][str(event.id)] += 1
            await session.execute(select(func.pg_sleep(0.02)))

        return consume(handle)

    said = [received() for _ in range(100)]
    await runtime.queues.send(SERVICE, [sqs.Outgoing(each.dumps()) for each in said])
    async with running(copy(0).run, copy(1).run):

        async def handled() -> bool:
            return sum(map(len, by_copy)) == len(said)

        await wait.until(handled)

    assert by_copy[0] + by_copy[1] == Counter(str(each.id) for each in said)
    assert all(by_copy)


async def test_a_limit_that_is_no_whole_number_of_batches_is_not_exceeded(runtime: app.Runtime) -> None:
    assert not await runtime.queues.send(SERVICE, [sqs.Outgoing("{}") for _ in range(30)])

    assert len(await wait.within(runtime.queues.receive(SERVICE, 1, 15), wait.PATIENCE)) == 10
    assert len(await wait.within(runtime.queues.receive(SERVICE, 1, 100), wait.PATIENCE)) == 20
