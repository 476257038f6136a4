"""The engine, sessions, inserts of many rows, and the lock under which time-driven work runs."""

import functools
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from pydantic_core import to_json
from sqlalchemy import JSON, ColumnElement, Executable, String, Table, bindparam, event, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from strop_contracts import tables

Sessions = async_sessionmaker[AsyncSession]


CONNECTIONS = 20
"""Most connections of one engine; those above its pool are closed after use."""

RESTED = 1.0
"""Seconds without use after which a connection is asked whether it still lives. That takes three round trips, so a busy
one is only looked at: whether the server has closed it is known here.
"""


ANSWER = 120.0
"""Seconds in which a statement of a service is answered, or the database counts as away."""

GONE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",  # ms
    "idle_in_transaction_session_timeout": "60000",  # ms; no transaction waits for I/O but the relay's, see `outbox.SEND`
}
"""When the server drops an unreachable client and releases its locks: after a minute, not two hours."""


def engine(url: str, pool: int = 10, answer: float | None = None, role: str | None = None) -> AsyncEngine:
    """Make an engine from a plain `postgresql://` URL; a statement fails that takes longer than `answer` seconds.

    Its sessions have the rights of `role`, of which the URL's user must be a member.
    """
    made = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool,
        max_overflow=CONNECTIONS - pool,
        connect_args={"server_settings": GONE | ({"role": role} if role else {}), "command_timeout": answer},
    )
    dialect = made.dialect

    def note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def ask(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        rested = time.monotonic() - record.info.get("used", math.inf) > RESTED
        try:
            if connection.driver_connection.is_closed() or (rested and not dialect.do_ping(connection)):
                raise InvalidatePoolError  # the pool opens another one, and trusts none of the others
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(made.sync_engine, "checkin", note)
    event.listen(made.sync_engine, "checkout", ask)
    return made


def sessions(bound: AsyncEngine) -> Sessions:
    return async_sessionmaker(bound, expire_on_commit=False)


async def insert_many(session: AsyncSession, table: type[tables.Base], rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert any number of rows with the same columns, those that are there already left out.

    Returns the (first) key of each that is new. The rows travel as one JSON parameter: several times as quick as a parameter
    each, and always the same statement. Defaults of Python do not apply, those of the database do.
    """
    if not rows:
        return set()
    statement = _insert(table, tuple(rows[0]))
    return set(await session.scalars(statement, {"rows": to_json(rows).decode()}))


async def replace_many(session: AsyncSession, table: type[tables.Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert any number of rows with the same columns; those that are there get the new values. No key may occur twice."""
    if rows:
        await session.execute(_replace(table, tuple(rows[0])), {"rows": to_json(rows).decode()})


@functools.cache
def _insert(table: type[tables.Base], names: tuple[str, ...]) -> Executable:
    return _from_json(table, names).on_conflict_do_nothing().returning(*cast(Table, table.__table__).primary_key)


@functools.cache
def _replace(table: type[tables.Base], names: tuple[str, ...]) -> Executable:
    new, key = _from_json(table, names), cast(Table, table.__table__).primary_key
    values = {name: new.excluded[name] for name in names if name not in key.columns}
    return new.on_conflict_do_update(index_elements=[*key], set_=values)


def _from_json(table: type[tables.Base], names: tuple[str, ...]) -> Insert:
    into = cast(Table, table.__table__)
    sent = sql_cast(bindparam("rows", type_=String), JSON)
    given = func.json_populate_recordset(literal_column(f"null::{into.name}"), sent).table_valued(*names)
    return insert(into).from_select(list(names), select(*given.c), include_defaults=False)


async def fetch(session: AsyncSession, statement: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
    """Run one statement, with parameters $1, $2 …, by the driver itself, and return its rows.

    It belongs to the session's transaction once a statement of the session has begun one. Before that it is a transaction
    of its own: one round trip in place of three (BEGIN, the statement, COMMIT). Raises the driver's own errors.
    """
    connection = await (await session.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert driver is not None, "a session that is used is connected"
    return cast("Sequence[Mapping[str, Any]]", await driver.fetch(statement, *arguments))


def lock_key(name: str | ColumnElement[str]) -> ColumnElement[int]:
    """Return the key of the advisory lock of this name."""
    return func.hashtextextended(name, 0)


async def lock(session: AsyncSession, name: str) -> None:
    """Wait for the advisory lock of this name; the end of the transaction releases it."""
    await session.execute(select(func.pg_advisory_xact_lock(lock_key(name))))


@asynccontextmanager
async def tick(make: Sessions, name: str) -> AsyncIterator[AsyncSession | None]:
    """Open the transaction of a tick, or None when another copy of the service is in the middle of the same one.

    The advisory lock belongs to the transaction, so a crash frees it.
    """
    async with make.begin() as session:
        locked = await session.scalar(select(func.pg_try_advisory_xact_lock(lock_key(name))))
        yield session if locked else None


@asynccontextmanager
async def hold(make: Sessions, name: str) -> AsyncIterator[AsyncSession | None]:
    """Hold the advisory lock of this name while the block runs, on a connection of its own; None if it is held elsewhere.

    The end of the connection releases the lock, so a crash frees it. No transaction stays open.
    """
    async with make() as session:
        held = True  # until the database has denied it
        try:
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            held = bool(await session.scalar(select(func.pg_try_advisory_lock(lock_key(name)))))
            if not held:
                await session.close()
            yield session if held else None
        finally:
            if held:
                await session.invalidate()
