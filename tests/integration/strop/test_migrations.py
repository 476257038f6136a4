"""The migrations and the models must describe the same tables."""

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import CheckConstraint

from strop_contracts import tables
from tests.conftest import ROOT


def test_migrations_make_exactly_the_tables_of_the_models(template: str) -> None:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", template.replace("%", "%%"))

    command.check(config)  # raises and lists the differences


async def test_check_constraints_of_the_database_are_those_of_the_models(template: str) -> None:
    """Alembic compares no CHECK constraints, so Postgres prints both: each model's is created on a temporary table."""
    database = await asyncpg.connect(template)
    try:
        assert await _checks(database, "public") == await _declared(database)
    finally:
        await database.close()


async def _declared(database: asyncpg.Connection) -> dict[str, str]:
    for table in tables.Base.metadata.tables.values():
        await database.execute(f"create temporary table {table.name} (like public.{table.name})")
        for check in (each for each in table.constraints if isinstance(each, CheckConstraint)):
            added = f"add constraint {check.name} check ({check.sqltext})"
            await database.execute(f"alter table pg_temp.{table.name} {added}")
    return await _checks(database, str(await database.fetchval("select pg_my_temp_schema()::regnamespace::text")))


async def _checks(database: asyncpg.Connection, schema: str) -> dict[str, str]:
    """Return the definition of each CHECK constraint of a schema by its name."""
    found = await database.fetch(
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where contype = 'c' and connamespace = $1::regnamespace",
        schema,
    )
    return {row["conname"]: row["pg_get_constraintdef"] for row in found}
