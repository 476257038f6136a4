"""A service is killed between writing a dead letter down and deleting it from the queue."""

from pathlib import Path

from sqlalchemy import select

from strop import app, sqs
from strop_contracts import tables, topology
from tests.integration.crash import victim


async def test_a_dead_letter_is_written_down_once(runtime: app.Runtime, tmp_path: Path) -> None:
    queue = topology.dead_letter("router")
    url = await runtime.queues.url(queue)
    await runtime.queues._client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
    await runtime.queues.send(queue, [sqs.Outgoing("{}", "odd")])
    async with victim.killed(runtime, "router", "letters:written", tmp_path) as died:
        await died.wait()
        assert await runtime.queues.depth(queue) == 1

        async def deleted() -> bool:
            return await runtime.queues.depth(queue) == 0

        await victim.until(deleted)

    async with runtime.sessions() as session:
        (letter,) = await session.scalars(select(tables.DeadLetter))
    assert (letter.count, letter.state) == (1, "open")
