"""`strop roles`: each service gets an address of its own."""

from pathlib import Path

import asyncpg
from typer.testing import CliRunner

from strop_cli.__main__ import cli
from strop_contracts import services


async def test_the_written_addresses_sign_in_as_the_roles(template: str, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text(template)

    done = CliRunner().invoke(cli, ["roles", "--dir", str(tmp_path)])

    assert done.exit_code == 0, done.output
    for service in services.ALL:
        database = await asyncpg.connect((tmp_path / f"database_url_{service.package}").read_text())
        assert await database.fetchval("select session_user") == service.role
        await database.close()


def test_without_the_owners_address_it_refuses(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["roles", "--dir", str(tmp_path)])

    assert "database_url does not exist" in str(done.exception)
