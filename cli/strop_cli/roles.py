"""`strop roles`: the database address of each service, for an installation that keeps its secrets in files."""

from pathlib import Path
from typing import Annotated

import typer

from strop_contracts import errors


def roles(
    folder: Annotated[Path, typer.Option("--dir", help="Folder with the file database_url, the owner's address.")],
) -> None:
    """Write the database address of each service beside that of the tables' owner. `strop setup` makes the roles."""
    from strop import grants
    from strop_contracts import services

    owner = folder / "database_url"
    if not owner.exists():
        raise errors.Refused(f"{owner} does not exist")
    url = owner.read_text().strip()
    for service in services.ALL:
        (folder / f"database_url_{service.package}").write_text(grants.url(url, service.role))
    print(f"{len(services.ALL)} addresses are in {folder}")
