"""Rows of all tables, in one snapshot of the database, as PostgreSQL's own COPY text in one compressed file per table.

COPY needs no program beside the database and does not depend on the server's release, as `pg_dump` does.
"""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import asyncpg
from sqlalchemy import Table, func, select

from strop_contracts import errors, tables

_REVISION = "select version_num from alembic_version"
_LEVEL = 3
"""Of the compression: higher ones cost several times the processor time and save little."""
_PIECE = 1 << 20


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection without a limit of time: a large table takes minutes."""
    connection = await asyncpg.connect(url, command_timeout=None)
    try:
        yield connection
    finally:
        await connection.close()


def all_tables() -> list[Table]:
    """Return the tables, those that others refer to first."""
    return list(tables.Base.metadata.sorted_tables)


async def revision(connection: asyncpg.Connection) -> str:
    """Return the revision of the tables."""
    return cast(str, await connection.fetchval(_REVISION))


async def dump(connection: asyncpg.Connection, folder: Path) -> dict[str, int]:
    """Write all tables below `folder`, as they are at one moment; returns the number of rows of each."""
    folder.mkdir(parents=True)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return {table.name: await _dump(connection, table, folder) for table in all_tables()}


async def _dump(connection: asyncpg.Connection, table: Table, folder: Path) -> int:
    columns = [column.name for column in table.columns]
    with gzip.open(_file(folder, table), "wb", _LEVEL) as file:
        status = await connection.copy_from_table(table.name, columns=columns, output=file)
    return int(status.rpartition(" ")[2])


async def require_empty(connection: asyncpg.Connection, wanted: str) -> None:
    """Refused unless the tables are of revision `wanted` and have no project."""
    if (present := await revision(connection)) != wanted:
        raise errors.Refused(
            f"the backup is of the tables' revision {wanted}, this installation has {present}: restore it with the "
            "release that made it, then update"
        )
    if count := await connection.fetchval("select count(*) from projects"):
        raise errors.Refused(f"this installation has {count} projects: restore into a new one")


async def load(connection: asyncpg.Connection, folder: Path) -> None:
    """Replace the rows of all tables, in one transaction."""
    async with connection.transaction():
        names = ", ".join(table.name for table in all_tables())
        await connection.execute(f"truncate {names}")
        for table in all_tables():
            columns = [column.name for column in table.columns]
            with gzip.open(_file(folder, table), "rb") as file:
                await connection.copy_to_table(table.name, columns=columns, source=file)
        for table in all_tables():
            await _continue_numbers(connection, table)


async def _continue_numbers(connection: asyncpg.Connection, table: Table) -> None:
    """Let generated keys go on after those that were loaded."""
    for column in table.columns:
        if column.identity is not None:
            largest = await connection.fetchval(str(select(func.max(column))))
            sequence = await connection.fetchval("select pg_get_serial_sequence($1, $2)", table.name, column.name)
            await connection.execute("select setval($1::text, $2, false)", sequence, (largest or 0) + 1)


def _file(folder: Path, table: Table) -> Path:
    return folder / f"{table.name}.gz"
