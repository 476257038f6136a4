"""What PostgreSQL grants each service is what `services` declares."""

import asyncio
from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from strop import grants
from strop_cli import installation
from strop_contracts import services, tables

WRITES = {"INSERT", "UPDATE", "DELETE"}


async def rows(url: str, statement: str) -> list[Any]:
    database = await asyncpg.connect(url)
    try:
        return list(await database.fetch(statement))
    finally:
        await database.close()


async def granted(url: str) -> dict[str, dict[str, set[str]]]:
    """Return what is granted in the database to anybody but the owner: privileges by role and table."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    statement = """
        select coalesce(role.rolname, 'public') as role, relname as table, acl.privilege_type as privilege
          from pg_class join pg_namespace n on n.oid = relnamespace, aclexplode(relacl) acl
          left join pg_roles role on role.oid = acl.grantee
         where nspname = 'public' and acl.grantee <> relowner
    """
    for row in await rows(url, statement):
        found[row["role"]][row["table"]].add(row["privilege"])
    return {role: dict(by_table) for role, by_table in found.items()}


async def test_grants_in_postgres_are_those_declared(template: str) -> None:
    declared = {
        service.role: {table.__tablename__: {"SELECT"} for table in service.reads}
        | {table.__tablename__: {"SELECT", *WRITES} for table in service.writes}
        | {table.__tablename__: {"INSERT"} for table in service.appends if table not in service.reads}
        | {table.__tablename__: {"INSERT", "SELECT"} for table in service.appends if table in service.reads}
        for service in services.ALL
    }

    assert await granted(template) == declared


async def test_every_table_is_written_by_its_owner_alone(template: str) -> None:
    writers: dict[str, set[str]] = defaultdict(set)
    for role, by_table in (await granted(template)).items():
        for table, privileges in by_table.items():
            if privileges & WRITES:
                writers[table].add(role)

    for service in services.ALL:
        for own in service.owns:
            assert writers[own.__tablename__] == {service.role}
    owned = {table.__tablename__ for service in services.ALL for table in service.owns}
    shared = {"inbox", "outbox", "dead_letters", "users", "memberships", "tokens", "audit_log"}
    assert owned | shared == {table.name for table in tables.Base.metadata.sorted_tables}


async def test_no_service_changes_or_removes_what_the_audit_log_has(template: str) -> None:
    privileges = [by_table["audit_log"] for by_table in (await granted(template)).values()]

    assert len(privileges) == len(services.ALL)
    assert all("INSERT" in each and not each & {"UPDATE", "DELETE", "TRUNCATE"} for each in privileges)


async def test_roles_have_no_other_rights(template: str) -> None:
    statement = """
        select rolname, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls as powerful, rolcanlogin,
               exists(select from pg_auth_members where member = pg_roles.oid) as has_roles
          from pg_roles where rolname like 'strop\\_%'
    """
    found = {row["rolname"]: tuple(row)[1:] for row in await rows(template, statement)}

    assert found == {service.role: (False, True, False) for service in services.ALL}


@pytest.mark.parametrize("service", [each.name for each in services.ALL])
async def test_a_service_signs_in_with_its_own_password(template: str, service: str) -> None:
    role = services.get(service).role
    database = await asyncpg.connect(grants.url(template, role))
    try:
        assert await database.fetchval("select current_user") == role
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.execute("set role strop")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.execute("create table mine (id int)")
    finally:
        await database.close()


async def test_a_setup_withdraws_a_grant_that_is_not_declared(template: str) -> None:
    await rows(template, "grant update on captures to strop_router")

    await asyncio.to_thread(installation.migrate, template)

    assert (await granted(template))["strop_router"]["captures"] == {"SELECT"}
