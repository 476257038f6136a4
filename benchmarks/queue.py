"""What handling an event costs: the router and the labeling queue beside bare receive and delete from the same queue.

Bare: the same client takes up to 100 messages at a time and deletes them, and does nothing else. Also how many events a
second the relay sends from the outbox, and whether many captures in Postgres slow down what people and the router ask for
(`--rows` of them are made, a tenth of them wanted, spread over 90 days).
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psutil
from sqlalchemy import delete, func, select, text

from benchmarks import lab
from labeling_queue import __main__ as labeling_main
from labeling_queue import queries as labeling_queries
from router import __main__ as router_main
from router import queries as router_queries
from router import rules
from strop import app, db, events, models, outbox, sqs
from strop.settings import Settings
from strop_cli.platform.stack import Stack

DEVICES = 200


def capture_rows(count: int) -> list[dict[str, Any]]:
    """Captures as ingest writes them, of as many images."""
    made = []
    for number in range(count):
        row = lab.capture_row()
        made.append({**row, "project": lab.PROJECT, "device": f"d{number % DEVICES}"})
    return made


async def fill(runtime: app.Runtime, service: str, happened: Sequence[events.Event]) -> None:
    assert not await runtime.queues.send(service, [sqs.Outgoing(event.dumps()) for event in happened])


async def bare(runtime: app.Runtime, service: str, count: int) -> float:
    """Messages a second of receive and delete alone."""
    began, taken = time.perf_counter(), 0
    while taken < count:
        messages = await runtime.queues.receive(service, 1, 100)
        await runtime.queues.delete(service, [message.receipt for message in messages])
        taken += len(messages)
    return count / (time.perf_counter() - began)


async def handled(
    runtime: app.Runtime, build: app.Build, table: type[models.Base], count: int, meter: lab.Meter
) -> float:
    """Events a second of a service, from its queue to its rows; without the relay, which is measured by itself."""
    stop, began = asyncio.Event(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for loop in build(runtime).loops:
            group.create_task(loop(stop))
        while await number_of(runtime, table) < count:
            await asyncio.sleep(0.05)
        rate = count / (time.perf_counter() - began)
        stop.set()
    print(f"  {rate:.0f} events/s\n{meter.report(count, 'event')}", flush=True)
    return rate


async def number_of(runtime: app.Runtime, table: type[models.Base]) -> int:
    async with runtime.sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def relayed(runtime: app.Runtime, happened: Sequence[events.Event]) -> float:
    """Events a second of the relay."""
    async with runtime.sessions.begin() as session:
        await session.execute(delete(models.Outbox))
        await outbox.add(session, *happened)
    stop, began = asyncio.Event(), time.perf_counter()
    relaying = asyncio.create_task(outbox.relay(runtime.sessions, runtime.queues, stop))
    while await number_of(runtime, models.Outbox):
        await asyncio.sleep(0.05)
    rate = len(happened) / (time.perf_counter() - began)
    stop.set()
    await relaying
    return rate


async def throughput(stack: Stack, count: int) -> None:
    async with app.runtime(Settings()) as runtime:
        rows = capture_rows(count)
        async with runtime.sessions.begin() as session:
            await db.insert_many(session, models.Capture, rows)
        about = [{"project": row["project"], "capture_id": row["id"], "device": row["device"]} for row in rows]
        received = [events.CaptureReceived.model_validate(each) for each in about]
        stored = [events.ImageStored.model_validate({**each, "sha256": "0"}) for each in about]
        processes = {"this process": psutil.Process(), **lab.servers(stack)}
        lines = []
        await fill(runtime, "trainer", received)  # a queue that nobody reads here
        floor = await bare(runtime, "trainer", count)
        for name, build, happened, table in (
            ("router", router_main.build, received, models.Route),
            ("labeling-queue", labeling_main.build, stored, models.LabelTask),
        ):
            await fill(runtime, name, happened)
            print(f"{name}:")
            rate = await handled(runtime, build, table, count, lab.Meter(processes))
            lines.append(f"{name}: {rate:.0f} events/s, bare receive and delete {floor:.0f}, ratio {rate / floor:.2f}")
        again = [events.CaptureReceived.model_validate(each) for each in about] * 3
        lines.append(f"relay: {await relayed(runtime, again):.0f} events/s")
    print("\n".join(lines))


# --- very many rows ---

_CAPTURES = """
insert into captures (id, project, device, at, captured_at, model, predictions, label, confidence, margin, reason, audit,
    audit_probability, probability, policy, sha256, size, content_type, seen)
select gen_random_uuid(), :project, 'd' || n % :devices, at, at, 'v1', '[]', 'can', 0.5, 0.1, 'low', false, 0.05, 1, 0,
    md5(n::text) || md5(n::text), 60000, 'image/jpeg', 1
from (select n, now() - interval '90 days' * n / :rows as at from generate_series(1, :rows) n) as made
"""
_ROUTES = """
insert into routes (capture_id, project, device, at, upload, reason, probability, policy)
select id, project, device, at, get_byte(uuid_send(id), 0) < 26, 'low', 1, 0 from captures
on conflict do nothing
"""
_TASKS = """
insert into label_tasks (id, project, capture_id, device, sha256, state, priority)
select gen_random_uuid(), c.project, c.id, c.device, c.sha256,
    case when c.at > now() - interval '1 day' then 'open' else 'done' end, random()
from captures c join routes r on r.capture_id = c.id and r.upload on conflict do nothing
"""


async def milliseconds(runtime: app.Runtime, ask: Callable[[Any], Awaitable[object]]) -> float:
    """The median of 50 times."""
    took = []
    for _ in range(50):
        async with runtime.sessions() as session:
            began = time.perf_counter()
            await ask(session)
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def lookups(runtime: app.Runtime) -> tuple[float, float]:
    """Milliseconds of `next task` and of what the router looks up for 100 captures."""
    announced = [
        router_queries.Announced(
            row["id"], lab.PROJECT, row["device"], row["sha256"], rules.Captured("low", False, 0, 1, 0, 0)
        )
        for row in capture_rows(100)
    ]

    async def next_task(session: Any) -> None:
        await labeling_queries.details(session, await labeling_queries.lease(session, lab.PROJECT, "ada", 10))

    async def lately(session: Any) -> None:
        await router_queries.captures(session, [each.id for each in announced])
        await router_queries.lately(session, lab.PROJECT, announced, rules.Policy())

    return await milliseconds(runtime, next_task), await milliseconds(runtime, lately)


async def many_rows(count: int) -> None:
    async with app.runtime(Settings()) as runtime:
        few = await lookups(runtime)
        async with runtime.sessions.begin() as session:
            values = {"project": lab.PROJECT, "devices": DEVICES, "rows": count}
            for statement in (_CAPTURES, _ROUTES, _TASKS):
                await session.execute(text(statement), values if statement is _CAPTURES else {})
            await session.execute(text("analyze"))
        many = await lookups(runtime)
    for name, before, after in zip(("next task", "the router's lookups for 100"), few, many, strict=True):
        print(f"{name}: {before:.1f} ms, with {count} captures more {after:.1f} ms, ratio {after / before:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000, help="per service")
    parser.add_argument(
        "--rows", type=int, default=200_000, help="captures made to see whether they slow anything down"
    )
    args = parser.parse_args()
    with lab.platform(DEVICES) as stack:
        asyncio.run(throughput(stack, args.events))
        asyncio.run(many_rows(args.rows))


if __name__ == "__main__":
    main()
