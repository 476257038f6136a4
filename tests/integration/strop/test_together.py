"""Many messages, one transaction."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, sqs
from strop_contracts import errors, events, tables
from tests import wait
from tests.integration.strop.conftest import SERVICE, Consume, Receive, Send, done, empty, received


class Team:
    """Does the work of many events in one go, and remembers how many came together."""

    def __init__(self, poison: events.Event | None = None) -> None:
        self.sizes: list[int] = []
        self._poison = poison

    async def work(self, happened: Sequence[events.Event], session: AsyncSession) -> None:
        self.sizes.append(len(happened))
        session.add_all(tables.Policy(project=str(event.id), version=1, body={}) for event in happened)
        await session.flush()
        if self._poison in happened:
            raise errors.InvalidMessage("no such line")


async def test_events_are_handled_together_in_one_transaction(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    await send(*(received().dumps() for _ in range(25)))
    messages = await receive(25)
    team = Team()

    await consume(team.work, "batch").take(messages)

    assert team.sizes == [25]
    assert await done(runtime) == 25
    assert await empty(runtime)


async def test_what_was_handled_before_is_left_out(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    old, new = received().dumps(), received().dumps()
    await send(old)
    await consume(Team().work, "batch").take(await receive())
    await send(old, new, new)
    team = Team()

    await consume(team.work, "batch").take(await receive(3))

    assert team.sizes == [1]
    assert await done(runtime) == 2
    assert await empty(runtime)


async def test_what_nobody_can_handle_hurts_only_itself(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    poison = received()
    await send(*(received().dumps() for _ in range(4)), poison.dumps(), "no event", received().dumps())
    team = Team(poison)

    await consume(team.work, "batch").take(await receive(7))

    assert team.sizes == [6, 1, 1, 1, 1, 1, 1]
    assert await done(runtime) == 5
    letters = {await wait.for_letter(runtime, SERVICE) for _ in range(2)}
    assert {body for body, _ in letters} == {poison.dumps(), "no event"}
    assert await empty(runtime)


async def test_two_consumers_with_the_same_messages_do_each_piece_of_work_once(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    await send(*(received().dumps() for _ in range(40)))
    messages = await receive(40)
    team = Team()
    one, other = (consume(team.work, "batch") for _ in range(2))

    await asyncio.gather(one.take(messages), other.take(messages[::-1]))

    assert sum(team.sizes) == await done(runtime) == 40
    assert await empty(runtime)


async def test_long_work_may_be_done_together_too(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    worked: list[Sequence[events.Event]] = []

    async def long_work(happened: Sequence[events.Event]) -> None:
        worked.append(happened)

    await send(*(received().dumps() for _ in range(3)))

    await consume(long_work, "long_batch").take(await receive(3))

    assert [len(each) for each in worked] == [3]
    assert await empty(runtime)


async def test_long_work_may_say_which_events_failed_and_why(
    runtime: app.Runtime, consume: Consume, send: Send, receive: Receive
) -> None:
    good, bad, early = received(), received(), received()
    worked: list[int] = []

    async def long_work(happened: Sequence[events.Event]) -> None:
        worked.append(len(happened))
        if len(happened) > 1:
            raise errors.PartialFailure({bad.id: errors.InvalidMessage("no"), early.id: errors.RetryLater("yet", 0)})

    await send(*(each.dumps() for each in (good, bad, early)))
    reading = consume(long_work, "long_batch")

    await reading.take(await receive(3))

    assert await wait.for_letter(runtime, SERVICE) == (bad.dumps(), "no")
    (again,) = await receive()
    assert again.body == early.dumps()
    await reading.take([again])
    assert worked == [3, 1]
    assert await empty(runtime)


async def test_a_running_consumer_takes_more_than_one_batch_of_the_queue(
    runtime: app.Runtime, consume: Consume, send: Send, stop: asyncio.Event
) -> None:
    await send(*(received().dumps() for _ in range(60)))
    team = Team()
    running = asyncio.create_task(consume(team.work, "batch").run(stop))

    await wait.until(lambda: empty(runtime))
    stop.set()
    await wait.within(running, wait.PATIENCE)

    assert max(team.sizes) > sqs.BATCH
    assert await done(runtime) == 60
