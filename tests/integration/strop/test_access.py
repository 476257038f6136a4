"""Every route of every service needs the role that the table of routes names."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from importlib import import_module
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from strop import app, members
from strop_contracts import access, services, tables
from strop_contracts.states import Role
from tests import factories, roles, users

OTHER = "other-project"
VALUES = {
    "project": factories.PROJECT,
    "sha256": "0" * 64,
    "task": "01990000-0000-7000-8000-000000000000",
    "letter": "all",
    "decision": "drop",
}


def declared(routes: Iterable[Any]) -> Iterator[str]:
    """Method and path of each route, also of included routers."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from (f"{method} {route.path}" for method in route.methods or ())
        elif included := getattr(route, "original_router", None):
            yield from declared(included.routes)


@pytest.fixture
async def web(runtime: app.Runtime) -> Any:
    """All services in one process."""
    built = {each.name: import_module(f"{each.package}.__main__").build(runtime) for each in services.ALL}
    return app.web(dict.fromkeys(built, runtime), built)


@pytest.fixture
async def client(web: Any, runtime: app.Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        session.add(tables.Project(name=OTHER))
    transport = httpx.ASGITransport(web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://strop") as opened:
        yield opened


async def test_every_route_of_every_service_is_in_one_of_the_two_tables(web: Any) -> None:
    foreign = {"/", "/{path:path}", "/api/control/{service}/{path:path}"}  # signed by AWS clients; forwarded unchecked
    routes = {each for each in declared(web.routes) if each.split()[1] not in foreign or each == "GET /"}

    assert routes == {*access.ROUTES, *access.OPEN}


def url(route: str) -> tuple[str, str]:
    method, path = route.split()
    return method, re.sub(r"{(\w+)}", lambda name: VALUES.get(name[1], "1"), path)


async def statuses(client: httpx.AsyncClient, headers: dict[str, str], routes: Iterable[str]) -> dict[str, int]:
    return {route: (await client.request(*url(route), headers=headers)).status_code for route in routes}


async def test_without_a_sign_in_every_route_answers_401(client: httpx.AsyncClient) -> None:
    assert await statuses(client, {}, access.ROUTES) == dict.fromkeys(access.ROUTES, 401)


@pytest.mark.parametrize("role", Role)
async def test_a_lower_role_or_one_of_another_project_gets_403(
    role: Role, client: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    async with runtime.sessions.begin() as session:
        tokens = {
            "here": await users.token(session, "here", role=role, project=factories.PROJECT),
            "elsewhere": await users.token(session, "elsewhere", role=role, project=OTHER),
        }
    headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    higher = [route for route, rule in access.ROUTES.items() if rule.role.rank > role.rank]
    foreign = [route for route, rule in access.ROUTES.items() if rule.scope is not access.Scope.ANY]
    everywhere = [route for route, rule in access.ROUTES.items() if rule.scope is access.Scope.ALL]

    here = await statuses(client, headers["here"], {*higher, *everywhere})
    elsewhere = await statuses(client, headers["elsewhere"], {*higher, *foreign})

    assert set(here.values()) | set(elsewhere.values()) == {403}


async def test_a_change_is_logged_before_it_is_made_and_also_when_refused(
    client: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    async with runtime.sessions.begin() as session:
        admin = await users.token(session, "ann")
        labeler = await users.token(session, "bo", role=Role.LABELER)
    path = f"/api/control/router/projects/{factories.PROJECT}/policy"
    for token in (admin, labeler):
        await client.patch(path, json={"values": {"low": "0.3"}}, headers={"Authorization": f"Bearer {token}"})
        await client.get(path, headers={"Authorization": f"Bearer {token}"})

    log = tables.AuditEntry
    async with roles.arranging(runtime)() as session:
        rows = await session.execute(select(log.user, log.method, log.path, log.project, log.allowed).order_by(log.at))

    assert [tuple(row) for row in rows] == [
        ("ann", "PATCH", path, factories.PROJECT, True),
        ("bo", "PATCH", path, factories.PROJECT, False),
    ]


async def test_a_route_without_a_declared_role_is_refused(
    client: httpx.AsyncClient, runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(access.ROUTES, "GET /")
    async with runtime.sessions.begin() as session:
        token = await users.token(session, "ann")

    answer = await client.get("/", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, "no role is declared" in answer.text) == (403, True)


@pytest.mark.parametrize("withdrawn", [None, access.ALL])
async def test_the_last_admin_keeps_the_role(runtime: app.Runtime, withdrawn: str | None) -> None:
    async with runtime.sessions.begin() as session:
        await members.grant(session, "ann", Role.ADMIN)
    async with runtime.sessions() as session:
        with pytest.raises(Exception, match="no admin"):
            await members.withdraw(session, "ann", withdrawn)
