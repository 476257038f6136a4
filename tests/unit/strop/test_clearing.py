"""Which rows are deleted with a project."""

import pytest

from strop import clearing
from strop_contracts import events, services, tables, topology

OWNERS = [each for each in services.ALL if each.owns]


@pytest.mark.parametrize("service", OWNERS, ids=lambda service: service.name)
def test_every_table_of_an_owner_is_cleared(service: services.Service) -> None:
    cleared = [str(statement.table) for statement in clearing.statements(service.owns, "bottles")]

    assert set(cleared) == {table.__tablename__ for table in service.owns} - {tables.Project.__tablename__}


def test_rows_that_refer_to_others_are_deleted_first() -> None:
    cleared = [str(statement.table) for statement in clearing.statements(services.INGEST.owns, "bottles")]

    assert cleared.index("uploads") < cleared.index("captures")


def test_every_owner_of_tables_is_asked_to_clear() -> None:
    assert set(topology.ROUTES[events.ProjectDeleted]) == {service.name for service in OWNERS}
