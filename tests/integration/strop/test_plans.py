"""What people and services ask for often is found by indexes, however many captures there are."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import queries as ingest_queries
from labeling_queue import queries as labeling_queries
from router import queries as router_queries
from router import rules
from strop import app
from strop_wire import ids
from tests import factories

ROWS = 3000
LARGE = {"captures", "routes", "label_tasks", "uploads", "images"}

_FILL = """
insert into captures (id, project, device, at, captured_at, model, predictions, label, confidence, margin, reason, audit,
    audit_probability, probability, policy, sha256, size, content_type, seen)
select gen_random_uuid(), 'bottles', 'd' || n % 50, at, at, 'v1', '[]', 'can', 0.5, 0.1, 'low', false, 0.05, 1, 0,
    md5(n::text) || md5(n::text), 60000, 'image/jpeg', 1
from (select n, now() - interval '90 days' * n / :rows as at from generate_series(1, :rows) n) as made;
"""
_FOLLOW = """
insert into routes select id, project, device, at, get_byte(uuid_send(id), 0) < 26, 'low', 1, 0 from captures;
insert into uploads (capture_id, state) select id, 'stored' from captures;
insert into images (project, sha256, size, content_type, width, height) select project, sha256, size, content_type, 64, 48
from captures;
insert into label_tasks (id, project, capture_id, device, sha256, state, priority)
select gen_random_uuid(), project, id, device, sha256, case when random() < 0.1 then 'open' else 'done' end, random()
from captures;
analyze
"""


@pytest.fixture
async def full(runtime: app.Runtime) -> None:
    """A project with history."""
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        await session.execute(text(_FILL), {"rows": ROWS})
        for statement in _FOLLOW.split(";"):
            await session.execute(text(statement))


@pytest.fixture
async def asked(runtime: app.Runtime, full: None) -> AsyncIterator[list[tuple[str, Any]]]:
    """Every statement with its parameters, as it goes to the driver."""
    statements: list[tuple[str, Any]] = []
    engine = runtime.sessions.kw["bind"].sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def read_whole(plan: dict[str, Any]) -> set[str]:
    """Large tables that a plan reads from end to end, by themselves or through an index."""
    by_key = "Index Cond" in plan or plan["Node Type"] == "Bitmap Heap Scan"
    found = {plan.get("Relation Name", "")} if "Scan" in plan["Node Type"] and not by_key else set()
    return found.union(*(read_whole(part) for part in plan.get("Plans", []))) & LARGE


async def next_task(session: AsyncSession) -> None:
    leased = await labeling_queries.lease(session, "bottles", "ada", 10)
    assert len(await labeling_queries.details(session, leased)) == 10


async def routing(session: AsyncSession) -> None:
    capture = rules.Captured("low", audit=False, audit_probability=0.05, probability=1.0, margin=0.1, confidence=0.5)
    announced = [
        router_queries.Announced(ids.uuid7(), "bottles", f"d{n % 50}", f"{n:064x}", capture) for n in range(100)
    ]
    await router_queries.captures(session, [each.id for each in announced])
    await router_queries.lately(session, "bottles", announced, rules.Policy())


async def answering(session: AsyncSession) -> None:
    await ingest_queries.captures.get(session, [ids.uuid7() for _ in range(100)])
    await ingest_queries.images.known(session, {("bottles", f"{n:064x}") for n in range(100)})


@pytest.mark.parametrize("ask", [next_task, routing, answering])
async def test_no_large_table_is_read_from_end_to_end(
    session: AsyncSession, asked: list[tuple[str, Any]], ask: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    await ask(session)
    statements = asked[:]

    # So few rows are read fastest from end to end. Forbidden that, the planner shows what it does when there are many.
    connection = await session.connection()
    for way in ("seqscan", "hashjoin", "mergejoin"):
        await connection.exec_driver_sql(f"set local enable_{way} = off")
    for statement, parameters in statements:
        explained = await connection.exec_driver_sql(f"explain (format json) {statement}", parameters)
        (answer,) = explained.one()
        (plan,) = json.loads(answer) if isinstance(answer, str) else answer
        assert not read_whole(plan["Plan"]), statement
