"""Do ten million captures in Postgres slow down what is asked all the time, and would partitions help?

The same questions are asked of few rows, of `--rows` rows in the tables as they are shipped, and of a copy of the two largest
tables in weekly partitions by the time of receipt. Also what the oldest day costs to get rid of, in both. A tenth of the captures
is wanted and has a label task; they are spread over 90 days.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks import lab
from ingest import queries as ingest_queries
from labeling_queue import queries as labeling_queries
from router import queries as router_queries
from router import rules
from strop import app, db
from strop.settings import Settings

DEVICES = 200
DAYS = 90
FEW = 10_000
TIMES = 50

# PostgreSQL 18 makes UUIDv7 of any time; the services make their own, so they need no such version.
_FILL = (
    """
    insert into captures (id, project, device, at, captured_at, model, predictions, label, confidence, margin, reason,
        audit, audit_probability, probability, policy, sha256, size, content_type, seen)
    select uuidv7(at - now()), 'bench', 'd' || n % :devices, at, at, 'v1',
        '[{"label": "can", "confidence": 0.5}, {"label": "mug", "confidence": 0.4}, {"label": "jar", "confidence": 0.1}]',
        'can', 0.5, 0.1, 'low', n % 100 = 0, 0.01, 1, 0, md5(n::text) || md5(n::text), 60000, 'image/jpeg', 1
    from (select n, now() - interval '1 day' * :days * (1 - n / (:rows + 1.0)) as at from generate_series(1, :rows) n) made
    """,
    """
    insert into routes (capture_id, project, device, at, upload, reason, probability, policy)
    select id, project, device, at, substr(sha256, 1, 2) < '1a', case when audit then 'audit' else 'low' end, 1, 0
    from captures
    """,
    "insert into uploads (capture_id, state) select capture_id, case when upload then 'stored' else 'dropped' end from routes",
    """
    insert into images (project, sha256, size, content_type, width, height)
    select project, sha256, size, content_type, 640, 480 from captures where substr(sha256, 1, 2) < '1a'
    """,
    """
    insert into label_tasks (id, project, capture_id, device, sha256, state, priority)
    select gen_random_uuid(), project, id, device, sha256,
        case when at > now() - interval '1 day' then 'open' else 'done' end, random()
    from captures where substr(sha256, 1, 2) < '1a'
    """,
)
_TABLES = ("captures", "routes", "uploads", "images", "label_tasks")

Question = Callable[[AsyncSession], Awaitable[object]]


async def next_task(session: AsyncSession) -> None:
    await labeling_queries.details(session, await labeling_queries.lease(session, lab.PROJECT, "ada", 10))


async def routing(session: AsyncSession) -> None:
    captured = rules.Captured("low", audit=False, audit_probability=0, probability=1, margin=0, confidence=0)
    rows = [lab.capture_row() for _ in range(100)]
    asked = [
        router_queries.Announced(row["id"], lab.PROJECT, f"d{n}", row["sha256"], captured) for n, row in enumerate(rows)
    ]
    await router_queries.captures(session, [each.id for each in asked])
    await router_queries.lately(session, lab.PROJECT, asked, rules.Policy())


async def answering(session: AsyncSession) -> None:
    await ingest_queries.captures(session, await _some_ids(session))
    await ingest_queries.known_images(session, {(lab.PROJECT, lab.capture_row()["sha256"]) for _ in range(100)})


async def _some_ids(session: AsyncSession) -> list[Any]:
    """Of captures from any time: the hardest case, since each lies elsewhere."""
    return list(await session.scalars(text("select id from captures tablesample system_rows(100)")))


async def taking_in(session: AsyncSession) -> None:
    rows = [lab.capture_row() for _ in range(500)]
    await ingest_queries.insert_captures(session, [{**row, "body": "event"} for row in rows], ["router"])
    await session.commit()


QUESTIONS: Mapping[str, Question] = {
    "next task, 10 leased": next_task,
    "the router's lookups for 100": routing,
    "ingest's answers to 100 repeats": answering,
    "ingest writes 500 new captures": taking_in,
}


async def ask(make: db.Sessions) -> dict[str, float]:
    """The median milliseconds of each question, each in a transaction of its own."""
    answers = {}
    for name, question in QUESTIONS.items():
        took = []
        for _ in range(TIMES):
            async with make() as session:
                began = time.perf_counter()
                await question(session)
                took.append((time.perf_counter() - began) * 1000)
        answers[name] = statistics.median(took)
    return answers


# --- filling ---


async def fill(make: db.Sessions, rows: int) -> None:
    """Fill the tables quickly: without their indexes, which are made again afterwards."""
    async with make.begin() as session:
        await session.execute(text(f"truncate {', '.join(_TABLES)} cascade"))
        await session.execute(text("set local maintenance_work_mem = '1GB'"))
        indexes = await session.execute(
            text(
                "select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename = any(:tables) "
                "and indexname like 'ix_%'"
            ),
            {"tables": list(_TABLES)},
        )
        made = indexes.all()
        for name, _ in made:
            await session.execute(text(f"drop index {name}"))
        for statement in _FILL:
            values = {"devices": DEVICES, "days": DAYS, "rows": rows} if ":rows" in statement else {}
            await session.execute(text(statement), values)
        for _, definition in made:
            await session.execute(text(definition))
    await _settle(make)


async def _settle(make: db.Sessions) -> None:
    """What autovacuum would have done by the time a table is that large."""
    async with make() as session:
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await connection.execute(text("vacuum analyze"))
        await connection.execute(text("checkpoint"))


async def partition(make: db.Sessions) -> int:
    """Copy captures and routes into weekly partitions by the time of receipt, in a schema of their own; returns how many."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    weeks = [start + timedelta(days=7 * number) for number in range(DAYS // 7 + 3)]
    async with make.begin() as session:
        await session.execute(text("set local maintenance_work_mem = '1GB'"))
        await session.execute(text("create schema parts"))
        for table, key in (("captures", "id"), ("routes", "capture_id")):
            like = f"(like public.{table} including defaults, primary key ({key}, at)) partition by range (at)"
            await session.execute(text(f"create table parts.{table} {like}"))
            for number, week in enumerate(weeks):
                bounds = f"from ('{week.isoformat()}') to ('{(week + timedelta(days=7)).isoformat()}')"
                await session.execute(
                    text(f"create table parts.{table}_{number} partition of parts.{table} for values {bounds}")
                )
            await session.execute(text(f"insert into parts.{table} select * from public.{table}"))
            found = await session.scalars(
                text(
                    "select indexdef from pg_indexes where schemaname = 'public' and tablename = :table "
                    "and indexname like 'ix_%'"
                ),
                {"table": table},
            )
            for definition in found.all():
                await session.execute(text(definition.replace("ON public.", "ON parts.")))
    await _settle(make)
    return len(weeks)


def look_into_partitions(make: db.Sessions) -> None:
    """From now on, the names of these tables mean those in partitions."""

    def first(connection: Any, _record: Any, _proxy: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("set search_path = parts, public")
        cursor.close()

    event.listen(make.kw["bind"].sync_engine, "checkout", first)


# --- getting rid of the oldest ---

_DELETE = """
with gone as (delete from captures where id in (
    select c.id from captures c where c.at < (select min(at) from captures) + interval '1 day'
    and not exists (select from label_tasks t where t.capture_id = c.id)) returning id),
routed as (delete from routes where capture_id in (select id from gone))
select count(*) from gone
"""


async def spent(make: db.Sessions, *statements: str) -> tuple[float, float, Any]:
    """Seconds, MB of write-ahead log, and the last answer."""
    async with make() as session:
        before = await session.scalar(text("select pg_current_wal_insert_lsn()::text"))
    began = time.perf_counter()
    async with make.begin() as session:
        for statement in statements:
            answer = await session.execute(text(statement))
        found = answer.scalar() if isinstance(answer, CursorResult) and answer.returns_rows else None
    seconds = time.perf_counter() - began
    async with make() as session:
        written = await session.scalar(
            text("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), cast(cast(:before as text) as pg_lsn))"),
            {"before": before},
        )
    return seconds, float(written or 0) / 2**20, found


async def run(rows: int) -> None:
    async with app.runtime(Settings()) as runtime:
        make = runtime.sessions
        async with make.begin() as session:
            await session.execute(text("create extension tsm_system_rows"))
        await fill(make, FEW)
        few = await ask(make)
        began = time.perf_counter()
        await fill(make, rows)
        async with make() as session:
            size = await session.scalar(text("select pg_size_pretty(pg_database_size(current_database()))"))
        print(f"{rows} captures in {time.perf_counter() - began:.0f} s, {size}", flush=True)
        whole = await ask(make)
        weeks = await partition(make)
        look_into_partitions(make)
        parts = await ask(make)
        print(f"{'ms, median of 50':34} {FEW:>9} {rows:>10} {'ratio':>6} {f'{weeks} parts':>9} {'ratio':>6}")
        for name in QUESTIONS:
            ratios = whole[name] / few[name], parts[name] / few[name]
            print(
                f"{name:34} {few[name]:9.1f} {whole[name]:10.1f} {ratios[0]:6.2f} {parts[name]:9.1f} {ratios[1]:6.2f}"
            )
        await dropped(make)


async def dropped(make: db.Sessions) -> None:
    statements = "drop table parts.captures_0", "drop table parts.routes_0"
    seconds, written, _ = await spent(make, *statements)
    print(f"the oldest week, as partitions: {seconds:.2f} s, {written:.1f} MB of log")
    public = "set local search_path = public"
    await spent(make, public, "alter table uploads drop constraint fk_uploads_capture_id_captures")
    seconds, written, gone = await spent(make, public, _DELETE)
    print(f"the oldest day, row by row: {gone} captures in {seconds:.2f} s, {written:.1f} MB of log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="captures")
    args = parser.parse_args()
    with lab.platform(DEVICES):
        asyncio.run(run(args.rows))


if __name__ == "__main__":
    main()
