"""What handling an event costs: the router and the labeling queue beside bare receive and delete from the same queue.

Bare: the same client takes up to 100 messages at a time and deletes them, and does nothing else. Also how many events a
second the relay sends from the outbox. What very many rows do to it is a benchmark of its own, `rows`.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psutil
from sqlalchemy import delete, func, select

from benchmarks import lab
from labeling_queue import __main__ as labeling_main
from router import __main__ as router_main
from strop import app, db, outbox, sqs
from strop.settings import Settings
from strop_contracts import events, tables
from strop_devstack.platform.stack import Stack

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
    runtime: app.Runtime, build: app.Build, table: type[tables.Base], count: int, meter: lab.Meter
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


async def number_of(runtime: app.Runtime, table: type[tables.Base]) -> int:
    async with runtime.sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def relayed(runtime: app.Runtime, happened: Sequence[events.Event]) -> float:
    """Events a second of the relay."""
    async with runtime.sessions.begin() as session:
        await session.execute(delete(tables.Outbox))
        await outbox.add(session, *happened)
    stop, began = asyncio.Event(), time.perf_counter()
    relaying = asyncio.create_task(outbox.relay(runtime.sessions, runtime.queues, stop))
    while await number_of(runtime, tables.Outbox):
        await asyncio.sleep(0.05)
    rate = len(happened) / (time.perf_counter() - began)
    stop.set()
    await relaying
    return rate


async def throughput(stack: Stack, count: int) -> None:
    async with app.runtime(Settings()) as runtime:
        rows = capture_rows(count)
        async with runtime.sessions.begin() as session:
            await db.insert_many(session, tables.Capture, rows)
        about = [{"project": row["project"], "capture_id": row["id"], "device": row["device"]} for row in rows]
        received = [events.CaptureReceived.model_validate(each) for each in about]
        stored = [events.ImageStored.model_validate({**each, "sha256": "0"}) for each in about]
        processes = {"this process": psutil.Process(), **lab.servers(stack)}
        lines = []
        await fill(runtime, "trainer", received)  # a queue without a consumer here
        floor = await bare(runtime, "trainer", count)
        for name, build, happened, table in (
            ("router", router_main.build, received, tables.Route),
            ("labeling-queue", labeling_main.build, stored, tables.LabelTask),
        ):
            await fill(runtime, name, happened)
            print(f"{name}:")
            rate = await handled(runtime, build, table, count, lab.Meter(processes))
            lines.append(f"{name}: {rate:.0f} events/s, bare receive and delete {floor:.0f}, ratio {rate / floor:.2f}")
        again = [events.CaptureReceived.model_validate(each) for each in about] * 3
        lines.append(f"relay: {await relayed(runtime, again):.0f} events/s")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000, help="per service")
    args = parser.parse_args()
    with lab.platform(DEVICES) as stack:
        asyncio.run(throughput(stack, args.events))


if __name__ == "__main__":
    main()
