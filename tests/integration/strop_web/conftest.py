"""The pages of one service or of both, and a person who is signed in."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import APIRouter

from console import __main__ as console
from labeling_queue import __main__ as labeling_queue
from strop import app
from strop_contracts import access
from strop_contracts.states import Role
from tests import users

MAINS = {main.NAME: main for main in (labeling_queue, console)}
Ask = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(params=list(MAINS))
def runs_as(request: pytest.FixtureRequest) -> str:
    """Each service with pages, with the rights of its role."""
    return str(request.param)


@pytest.fixture
def ask(runtime: app.Runtime, runs_as: str) -> Ask:
    """Return a client of the service, or of all services with pages (`together`), beside `more` routes."""

    async def person(
        *, together: bool = False, more: APIRouter | None = None, role: Role = Role.ADMIN, project: str = access.ALL
    ) -> httpx.AsyncClient:
        names = MAINS if together else [runs_as]
        built = {name: MAINS[name].build(runtime) for name in names} | {"more": app.Service([], more)}
        web = app.web(dict.fromkeys(built, runtime), built)
        async with runtime.sessions.begin() as session:
            token = await users.token(session, "ada", role=role, project=project)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        transport = httpx.ASGITransport(web, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://strop:8000", headers=headers)

    return person
