"""Alembic's entry: one schema, from `strop_contracts.tables`, and the grants of its services. DATABASE_URL names the database."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from strop import db, grants
from strop_contracts import tables

URL = context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]


def migrate(connection: Connection) -> None:
    # Statements queue behind a migration that waits for a lock: fail instead, and try again later.
    connection.exec_driver_sql("set lock_timeout = '5s'")
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=tables.Base.metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    if context.get_context().get_current_revision() == context.get_head_revision():  # the declared tables are there
        grants.apply(connection, URL)


async def main() -> None:
    engine = db.engine(URL)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
