"""What ingest costs: captures a second from MQTT into Postgres, beside a floor without logic.

Floor: the same broker and client library (paho), batches of up to 500, one statement that inserts a row and an outbox row
per message, commit, and only then the acknowledgements. Ingest reads and checks each message, looks up its device, writes
the capture with its indexes and the event, and answers repeats. Both run alone
as a process of their own, on shipped durability settings; broker, database and devices share the same cores.

Then the same with the events sent on to SQS in batches, how evenly two ingests share the work, and how fast the whole
chain (ingest, router, ingest's answer) processes the messages of devices.
"""

import argparse
import asyncio
import gc
import json
import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Annotated
from urllib.parse import urlsplit

import asyncpg
import psutil
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import lab
from ingest import __main__ as ingest_main
from ingest import metrics
from strop import app, outbox, sqs
from strop.settings import Settings
from strop_contracts import tables
from strop_devstack.platform.stack import Stack

DEVICES = 100
BROKERS = ("mosquitto", "embedded")
Done = Annotated["Synchronized[int]", "captures that are committed, shared between processes"]

WINDOW = 5000
"""Captures that devices may be ahead of the service: its work never runs out, and the broker's queue stays short."""


# --- the floor ---


def floor(done: Done, ready: Event, send: bool) -> None:
    """Take, insert, commit, (send,) acknowledge."""
    asyncio.run(_floor(Settings(), done, ready, send))


async def _floor(settings: Settings, done: Done, ready: Event, send: bool) -> None:
    arrived: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
    client = _subscriber(settings.mqtt_url, arrived, ready)
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute(_TABLES)
    async with app.runtime(settings) as runtime:
        gc.freeze()
        while True:
            batch = await asyncio.to_thread(_batch, arrived)
            bodies = [message.payload.decode() for message in batch]
            keys = [json.loads(body)["id"] for body in bodies]
            await connection.execute(_INSERT, keys, [message.topic for message in batch], bodies)
            if send:
                await runtime.queues.send("router", [sqs.Outgoing(f'{{"id": "{key}"}}') for key in keys])
            for message in batch:
                client.ack(message.mid, message.qos)
            done.value += len(batch)


_TABLES = """
create table if not exists floor (id uuid primary key, at timestamptz default now(), topic text, payload jsonb);
create table if not exists floor_outbox (like outbox including all);
"""
_INSERT = """
with rows as (select * from unnest($1::uuid[], $2::text[], $3::jsonb[]) as rows (id, topic, payload)),
kept as (insert into floor (id, topic, payload) select * from rows)
insert into floor_outbox (queue, body) select 'floor', id::text from rows
"""


def _subscriber(url: str, arrived: "queue.SimpleQueue[MQTTMessage]", ready: Event) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, "floor", clean_session=False, protocol=MQTTv311, manual_ack=True)
    client.on_connect = lambda client, *_: client.subscribe("strop/+/+/capture", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: arrived.put(message)
    address = urlsplit(url)
    client.connect(str(address.hostname), address.port or 1883)
    client.loop_start()
    return client


def _batch(arrived: "queue.SimpleQueue[MQTTMessage]") -> list[MQTTMessage]:
    batch = [arrived.get()]
    while len(batch) < 500 and not arrived.empty():
        batch.append(arrived.get())
    return batch


# --- ingest ---


def ingest(done: Done, ready: Event, relay: bool) -> None:
    """The service as it is, with or without the relay that sends its events on."""
    asyncio.run(_ingest(done, ready, relay))


async def _ingest(done: Done, ready: Event, relay: bool) -> None:
    stop = asyncio.Event()
    async with app.runtime(Settings(), ingest_main.NAME) as runtime, asyncio.TaskGroup() as group:
        service = ingest_main.build(runtime)
        gc.freeze()  # as `app.serve` does
        for loop in service.loops:
            group.create_task(loop(stop))
        if relay:
            group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop))
        while not service.ready():
            await asyncio.sleep(0.01)
        ready.set()
        while True:
            await asyncio.sleep(0.05)
            done.value = int(metrics.CAPTURES.labels(lab.PROJECT)._value.get())  # noqa: SLF001 - cheaper than asking


# --- measuring ---


@contextmanager
def worker(function: Callable[..., None], *args: object) -> Iterator[tuple[psutil.Process, Done]]:
    """The floor or an ingest, once it is subscribed, and how many captures it has committed."""
    done, ready = lab.SPAWN.Value("q", 0), lab.SPAWN.Event()
    with lab.process(function, done, ready, *args) as process:
        ready.wait()
        yield process, done
    for session in ("floor", "strop-ingest", "strop-ingest-1"):  # what one left at the broker is not work of the next
        lab.Wire(os.environ["MQTT_URL"], session)


def measure(stack: Stack, count: int, workers: dict[str, tuple[psutil.Process, Done]]) -> float:
    """Captures a second that the workers take while devices keep them busy; prints who used the time."""
    total = lab.SPAWN.Value("q", 0)

    def wait_for(goal: int) -> None:
        while total.value < goal:
            time.sleep(0.02)
            total.value = sum(done.value for _, done in workers.values()) - before

    before = sum(done.value for _, done in workers.values())
    with lab.process(lab.announce, os.environ["MQTT_URL"], count, DEVICES, WINDOW, total) as devices:
        wait_for(count // 10)
        processes = {name: process for name, (process, _) in workers.items()}
        meter = lab.Meter({**processes, "devices": devices, **lab.servers(stack)})
        began, first = time.perf_counter(), total.value
        wait_for(count)
        taken: int = total.value - first
        rate = taken / (time.perf_counter() - began)
        print(f"  {' and '.join(workers)}: {rate:.0f} captures/s\n{meter.report(taken)}", flush=True)
    return rate


def pair(stack: Stack, count: int, *, send: bool) -> tuple[float, float]:
    """Captures a second of the floor and of ingest."""
    with worker(floor, send) as one:
        bare = measure(stack, count, {"floor": one})
    with worker(ingest, send) as one:
        return bare, measure(stack, count, {"ingest": one})


def shares(stack: Stack, count: int) -> list[float]:
    """Which part of the work each of two ingests does."""
    with worker(ingest, False) as one, worker(ingest, False) as other:
        measure(stack, count, {"ingest": one, "ingest-1": other})
        taken = [done.value for _, done in (one, other)]
    return [each / sum(taken) for each in taken]


def chain(stack: Stack, count: int) -> float:
    """Captures a second from a device's word to the answer's row: ingest, router and ingest again, with their relays."""
    with lab.service(stack, "ingest") as first, lab.service(stack, "router") as second:
        meter = lab.Meter({"ingest": first.process, "router": second.process, **lab.servers(stack)})
        began, done = time.perf_counter(), lab.SPAWN.Value("q", count)
        with lab.process(lab.announce, os.environ["MQTT_URL"], count, DEVICES, WINDOW, done):
            asyncio.run(lab.rows(tables.Upload, count))
        rate = count / (time.perf_counter() - began)
        print(f"  the whole chain: {rate:.0f} captures/s\n{meter.report(count)}", flush=True)
    return rate


def soak(stack: Stack, count: int) -> None:
    """Memory of one ingest while it stores very many captures."""
    with worker(ingest, False) as one:
        sizes = []
        for _ in range(10):
            measure(stack, count // 10, {"ingest": one})
            sizes.append(lab.memory(one[0]))
            print(f"after {one[1].value} captures: {sizes[-1]:.1f} MB", flush=True)
        growth = (sizes[-1] - sizes[0]) / (count * 0.9) * 100_000
        print(f"memory of ingest over {count} captures: {growth:+.2f} MB per 100,000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=15_000, help="per measurement")
    parser.add_argument("--broker", choices=BROKERS, help="only on this one, in place of both")
    parser.add_argument("--soak", type=int, metavar="CAPTURES", help="only watch the memory of one ingest over so many")
    args = parser.parse_args()
    for broker in [args.broker] if args.broker else BROKERS:
        print(f"== {broker}", flush=True)
        with lab.platform(DEVICES, wheel_broker=broker == "embedded") as stack:
            if args.soak:
                soak(stack, args.soak)
            else:
                run(stack, args.captures)


def run(stack: Stack, count: int) -> None:
    """Measure all there is on this broker."""
    # First: a consumer that was ended leaves its last long poll behind, and what that takes is hidden for a minute.
    whole = chain(stack, count // 5)
    asyncio.run(lab.empty())
    plain = pair(stack, count, send=False)
    asyncio.run(lab.empty())
    sent = pair(stack, count // 3, send=True)
    print(f"MQTT to Postgres: floor {plain[0]:.0f} captures/s, ingest {plain[1]:.0f}, ratio {plain[1] / plain[0]:.2f}")
    print(f"MQTT to SQS: floor {sent[0]:.0f} captures/s, ingest {sent[1]:.0f}, ratio {sent[1] / sent[0]:.2f}")
    if stack.shared_subscriptions:
        one, other = shares(stack, count)
        print(f"two ingests share the work: {one:.0%} and {other:.0%}")
    print(f"the whole chain: {whole:.0f} captures/s from a device's word to its answer")


if __name__ == "__main__":
    main()
