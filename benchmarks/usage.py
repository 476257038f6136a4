"""What counts of devices cost: states a second from JSON into Postgres beside plain inserts, rows and bytes a day, and pages.

Floor: the same states in batches of the same size, one statement that inserts a row with the payload per state, commit.
Ingest reads and checks each state, locks its device, stores the maximum of each count and adds the increase to its hour.
Both call Postgres from one process, without a broker. Bytes are those of the tables with their indexes, for `--devices`
that report, after `vacuum full`, extrapolated to 100,000 devices. Then old rows are folded, and pages of a fleet are read.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy import text, update

from benchmarks import lab
from console import fleet
from ingest import device_messages, refusal_limits, usage_folding
from strop import app
from strop.settings import Settings
from strop_contracts import control_fleet, tables
from strop_wire import ids, reports, topics

BATCH = 250
FLEET = 100_000
LABELS = ("soda can", "water bottle", "glass jar", "paper cup", "carton")
_TABLE = "create table if not exists floor_states (topic text, at timestamptz default now(), payload jsonb)"
_INSERT = "insert into floor_states (topic, payload) select * from unnest($1::text[], $2::jsonb[])"


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes


def states(devices: int, rounds: int) -> Iterator[Message]:
    """Every device reports in each round: 100 images more, of five labels."""
    chance = random.Random(7)
    for boots in [{number: ids.new_id() for number in range(devices)}]:
        counted = {number: {label: [0] * reports.BINS for label in LABELS} for number in boots}
        for sequence in range(rounds):
            for number, boot in boots.items():
                for _ in range(100):
                    counted[number][chance.choice(LABELS)][min(9, int(chance.betavariate(6, 1) * 10))] += 1
                yield _state(f"d{number}", boot, sequence, counted[number])


def _state(device: str, boot: str, sequence: int, counted: dict[str, list[int]]) -> Message:
    total = sum(map(sum, counted.values()))
    latency = [0, 0, 0, total // 4, total - total // 4, *[0] * 9]
    usage = reports.Usage("v3", 2, counted, latency=latency, kept={"low": total // 20, "audit": total // 50})
    state = reports.State(ids.new_id(), sequence, datetime.now(UTC), "v3", "bench", classified=total, usage=(usage,))
    return Message(topics.topic(lab.PROJECT, device, "state"), replace(state, boot=boot).dumps())


async def measured(messages: list[Message], store: Callable[[list[Message]], Awaitable[object]]) -> float:
    """Return states a second."""
    began = time.perf_counter()
    for start in range(0, len(messages), BATCH):
        await store(messages[start : start + BATCH])
    return len(messages) / (time.perf_counter() - began)


async def rates(runtime: app.Runtime, messages: list[Message]) -> None:
    connection = await asyncpg.connect(runtime.settings.database_url)
    await connection.execute(_TABLE)

    async def floor(batch: list[Message]) -> None:
        await connection.execute(_INSERT, [each.topic for each in batch], [each.payload.decode() for each in batch])

    async def ingest(batch: list[Message]) -> None:
        async with runtime.sessions.begin() as session:
            await device_messages.store(session, batch, refusal_limits.RefusalLimits())

    plain, stored = await measured(messages, floor), await measured(messages, ingest)
    again = await measured(messages, ingest)
    print(
        f"{stored:,.0f} states/s stored, {again:,.0f} repeated, {plain:,.0f} plain inserts: {stored / plain:.2f} of them"
    )
    await connection.close()


async def sizes(runtime: app.Runtime) -> None:
    """Print the bytes per row, and what the hours of a day of 100,000 devices take once space of old versions is reused."""
    connection = await asyncpg.connect(runtime.settings.database_url)
    for table in ("device_reports", "device_usage", "usage_hours"):
        await connection.execute(f"vacuum full {table}")
        size = f"select pg_total_relation_size('{table}') / count(*)::float from {table}"
        each = await connection.fetchval(size)
        print(f"{table}: {each:,.0f} bytes a row, with indexes and room for updates")
    rows, day = FLEET * 24, FLEET * 24 * each
    print(f"100,000 devices with one model: {rows:,} rows of usage_hours and {day / 1e9:.1f} GB a day, kept for 8 days")
    await connection.close()


async def folding(runtime: app.Runtime, devices: int) -> None:
    async with runtime.sessions.begin() as session:
        await session.execute(update(tables.UsageHour).values(hour=tables.UsageHour.hour - timedelta(days=30)))
    began = time.perf_counter()
    await usage_folding.fold(runtime.sessions)
    print(f"{devices / (time.perf_counter() - began):,.0f} rows of usage_hours folded a second")


async def pages(runtime: app.Runtime) -> None:
    """Print the times of pages of 100 of 100,000 devices, by what they are sorted by."""
    added = f"""
        insert into devices (project, name, model, seen_at, spool_bytes, dropped, errors)
        select '{lab.PROJECT}', 'e' || n, 'v' || n % 7, now() - n * interval '1 s', n % 1000,
               jsonb_build_object('full', n % 99), case n % 50 when 0 then '["disk full"]' else '[]' end::jsonb
        from generate_series(1, {FLEET}) as n"""
    async with runtime.sessions.begin() as session:
        await session.execute(text(added))
        await session.execute(text("analyze devices"))
        for sort in control_fleet.Sort:
            began = time.perf_counter()
            await fleet.page(session, lab.PROJECT, control_fleet.Page(sort=sort, descending=True, offset=50_000))
            print(f"page of {FLEET:,} devices sorted by {sort}: {1000 * (time.perf_counter() - began):.0f} ms")


async def measure(devices: int, rounds: int) -> None:
    messages = list(states(devices, rounds))
    async with app.runtime(Settings()) as runtime:
        await rates(runtime, messages)
        await sizes(runtime)
        await folding(runtime, devices)
        await pages(runtime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5, help="states of each device")
    args = parser.parse_args()
    with lab.platform(args.devices):
        asyncio.run(measure(args.devices, args.rounds))


if __name__ == "__main__":
    main()
