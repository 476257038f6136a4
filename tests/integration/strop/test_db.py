"""Connections, and time-driven work that one copy at a time does."""

import asyncio

import pytest
from sqlalchemy import text

from strop import app, db


async def test_a_tick_has_its_name_to_itself_until_it_ends(runtime: app.Runtime) -> None:
    async with db.tick(runtime.sessions, "leases") as first:
        assert first
        async with db.tick(runtime.sessions, "leases") as second, db.tick(runtime.sessions, "stages") as other:
            assert second is None
            assert other

    async with db.tick(runtime.sessions, "leases") as next_one:
        assert next_one


async def test_a_tick_that_fails_frees_its_name(runtime: app.Runtime) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.tick(runtime.sessions, "leases"):
            raise ZeroDivisionError

    async with db.tick(runtime.sessions, "leases") as again:
        assert again


async def test_a_held_lock_excludes_others_and_ends_with_its_connection(runtime: app.Runtime) -> None:
    async with db.hold(runtime.sessions, "number") as first:
        assert first
        async with db.hold(runtime.sessions, "number") as second, db.hold(runtime.sessions, "another") as other:
            assert second is None
            assert other
        pid = await first.scalar(text("select pg_backend_pid()"))
        async with runtime.sessions() as session:
            await session.execute(text(f"select pg_terminate_backend({pid}, 5000)"))
        async with db.hold(runtime.sessions, "number") as next_one:
            assert next_one


@pytest.mark.parametrize("rested", [0.0, 60.0])
async def test_connections_that_the_server_closed_are_not_handed_out(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch, rested: float
) -> None:
    monkeypatch.setattr(db, "RESTED", rested)
    await asyncio.gather(*(_ask(runtime) for _ in range(3)))  # so many connections are in the pool now
    async with runtime.sessions() as session:
        others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        mine = "where datname = current_database() and pid <> pg_backend_pid()"
        ended = list(await session.scalars(text(f"{others} {mine}")))
    assert len(ended) >= 2
    assert all(ended)

    assert await asyncio.gather(*(_ask(runtime) for _ in range(3))) == [1, 1, 1]


async def test_lost_clients_and_slow_answers_have_time_limits(runtime: app.Runtime) -> None:
    """As far as it shows without pulling a cable: what the server and we have agreed on."""
    async with runtime.sessions() as session:
        agreed = {name: await session.scalar(text(f"show {name}")) for name in db.GONE}
    assert agreed["idle_in_transaction_session_timeout"] == "1min"
    assert [agreed[f"tcp_keepalives_{name}"] for name in ("idle", "interval", "count")] == ["30", "10", "3"]

    impatient = db.engine(runtime.settings.database_url, answer=0.1)
    async with impatient.connect() as connection:
        with pytest.raises(TimeoutError):
            await connection.execute(text("select pg_sleep(5)"))
    await impatient.dispose()


async def _ask(runtime: app.Runtime) -> int | None:
    async with runtime.sessions() as session:
        await session.execute(text("select pg_sleep(0.05)"))
        one: int | None = await session.scalar(text("select 1"))
        return one
