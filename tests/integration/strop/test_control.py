"""Who may call control routes, and how a process forwards those of other services."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import aiohttp
import httpx
import pytest

from console import __main__ as console
from ingest import control as ingest
from labeling_queue import control as labeling_queue
from router import __main__ as router
from strop import app, gateway, members, tokens
from strop.settings import Settings
from strop_contracts.states import Role
from tests import factories, users

POLICY = f"/api/control/router/projects/{factories.PROJECT}/policy"


async def token(runtime: app.Runtime, kind: str) -> dict[str, str]:
    """Return the header of a new token."""
    async with runtime.sessions.begin() as session:
        return {"Authorization": f"Bearer {await users.token(session, 'ann', kind)}"}


@pytest.fixture
async def client(runtime: app.Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    routes = {"ingest": ingest, "labeling-queue": labeling_queue}
    built = {name: app.Service([], module.router) for name, module in routes.items()}
    transport = httpx.ASGITransport(app.web(dict.fromkeys(built, runtime), built))
    async with httpx.AsyncClient(transport=transport, base_url="http://strop") as opened:
        yield opened


@pytest.mark.parametrize(("kind", "status"), [(None, 401), ("session", 401), ("once", 401), ("api", 200)])
async def test_only_tokens_of_programs_are_accepted(
    kind: str | None, status: int, client: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    headers = await token(runtime, kind) if kind else {}

    assert (await client.get("/api/control/labeling-queue/caller", headers=headers)).status_code == status


async def test_session_cookie_is_not_accepted(client: httpx.AsyncClient, runtime: app.Runtime) -> None:
    cookie = (await token(runtime, "session"))["Authorization"].removeprefix("Bearer ")
    client.cookies.set(runtime.settings.session_cookie or "strop_session_default", cookie)

    assert (await client.get("/api/control/labeling-queue/caller")).status_code == 401


async def test_registered_token_is_accepted_and_registering_is_idempotent(
    client: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    for _ in range(2):
        async with runtime.sessions.begin() as session:
            await tokens.register(session, "operator", "chosen")
            await members.grant(session, "operator", Role.ADMIN)

    answer = await client.get("/api/control/labeling-queue/caller", headers={"Authorization": "Bearer chosen"})

    assert answer.json() == {"user": "operator"}


async def test_each_service_reports_the_caller(client: httpx.AsyncClient, runtime: app.Runtime) -> None:
    headers = await token(runtime, "api")

    answers = [
        await client.get(f"/api/control/{name}/caller", headers=headers) for name in ("ingest", "labeling-queue")
    ]

    assert [each.json() for each in answers] == [{"user": "ann"}] * 2


async def test_revoked_tokens_of_a_user_are_refused_at_once(client: httpx.AsyncClient, runtime: app.Runtime) -> None:
    anns = await token(runtime, "api")
    async with runtime.sessions.begin() as session:
        others = {"Authorization": f"Bearer {await users.token(session, 'bo', 'api')}"}
    url = "/api/control/labeling-queue/tokens"

    path = "/api/control/labeling-queue/users/ann/tokens"

    revoked = [await client.delete(path, headers=others) for _ in range(2)]

    assert [each.status_code for each in revoked] == [200, 404]
    assert (await client.get(url, headers=anns)).status_code == 401
    assert [(each["user"], each["kind"]) for each in (await client.get(url, headers=others)).json()] == [("bo", "api")]


async def test_devices_are_enrolled_all_or_none_and_removed(client: httpx.AsyncClient, runtime: app.Runtime) -> None:
    client.headers.update(await token(runtime, "api"))
    url = f"/api/control/ingest/projects/{factories.PROJECT}/devices"

    refused = await client.post(url, json={"names": ["line-7", factories.DEVICE]})
    await client.post(url, json={"names": ["line-8", "line-9"]})
    await client.post(f"{url}/remove", json={"names": ["line-8"]})
    grouped = await client.post(f"{url}/group", json={"names": ["line-9"], "group": "paris"})
    invalid = await client.post(f"{url}/group", json={"names": ["line-9"], "group": "in paris"})

    assert (refused.status_code, "exists already" in refused.json()["detail"]) == (409, True)
    assert (grouped.status_code, invalid.status_code) == (204, 422)
    assert [each["name"] for each in (await client.get(url)).json()] == sorted([factories.DEVICE, "line-9"])


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
async def forwarded(runtime: app.Runtime, settings: Settings, silent: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the console, which forwards to the router on a port of its own.

    The trainer does not run, ingest never responds, and the URL of the deployer is that of the router.
    """
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away, there = "http://127.0.0.1:9", f"http://127.0.0.1:{port}"
    urls = {"console": away, "trainer": away, "router": there, "deployer": there, "ingest": silent}
    changed = settings.model_copy(update={"port": port, "control_urls": urls})
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group, app.runtime(changed, "console") as opened:
        group.create_task(app.serve(changed, {"router": router.build}, stop=stop, ready=ready))
        await ready.wait()
        transport = httpx.ASGITransport(app.web({"console": opened}, {"console": console.build(opened)}))
        headers = await token(runtime, "api")
        async with httpx.AsyncClient(transport=transport, base_url="http://strop", headers=headers) as client:
            yield client
        stop.set()


async def test_requests_are_forwarded_with_token_body_and_status(forwarded: httpx.AsyncClient) -> None:
    changed = await forwarded.patch(POLICY, json={"values": {"low": "0.25"}})
    shown = await forwarded.get(POLICY)
    refused = await forwarded.patch(POLICY, json={"values": {"low": "2"}})
    unknown = await forwarded.get("/api/control/router/projects/no%2Fsuch/policy")
    nobody = await forwarded.get(POLICY, headers={"Authorization": "Bearer wrong"})

    assert (changed.status_code, changed.json()["version"]) == (200, 1)
    assert {each["name"]: each["value"] for each in shown.json()["values"]}["low"] == "0.25"
    assert [each.status_code for each in (refused, unknown, nobody)] == [409, 404, 401]


async def test_unreachable_unknown_and_own_services_are_not_forwarded(forwarded: httpx.AsyncClient) -> None:
    unreachable = await forwarded.get("/api/control/trainer/runs/1")
    unknown = await forwarded.get("/api/control/nobody/x")
    own = await forwarded.get("/api/control/console/x")

    assert (unreachable.status_code, unreachable.json()["detail"]) == (
        502, "the service trainer is unreachable: try again once it is ready",
    )  # fmt: skip
    assert (unknown.status_code, own.status_code) == (502, 404)


@pytest.mark.parametrize("path", ["ingest/%2e%2e/x", "ingest/%2E/x"])  # httpx resolves those that are not escaped
async def test_path_with_dot_segments_is_not_forwarded(forwarded: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL(str(forwarded.base_url)).copy_with(raw_path=f"/api/control/{path}".encode())

    assert (await forwarded.send(httpx.Request("GET", url, headers=forwarded.headers))).status_code == 404


async def test_decision_on_dead_letters_states_which_ones(forwarded: httpx.AsyncClient) -> None:
    bodies: list[dict[str, list[str]]] = [{}, {"leters": []}, {"letters": []}]
    for body in bodies:
        assert (await forwarded.post("/api/control/console/dead-letters/drop", json=body)).status_code == 422


async def test_forwarded_request_is_not_forwarded_again(forwarded: httpx.AsyncClient) -> None:
    looped = await forwarded.get("/api/control/deployer/x")  # its URL is wrong: it leads to the router

    assert (looped.status_code, looped.json()["detail"]) == (
        502, "STROP_CONTROL_URLS does not lead to the service deployer",
    )  # fmt: skip


async def test_slow_service_is_reported_with_the_uncertain_outcome(
    forwarded: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_TIMEOUT", aiohttp.ClientTimeout(total=0.2))

    slow = await forwarded.get("/api/control/ingest/x")

    assert (slow.status_code, "check whether the request was carried out" in slow.json()["detail"]) == (504, True)


async def test_status_models_fleet_and_ledger_are_read_with_the_consoles_rights(forwarded: httpx.AsyncClient) -> None:
    status = await forwarded.get("/api/control/console/status")
    models = await forwarded.get(f"/api/control/console/projects/{factories.PROJECT}/models")
    query = "group=&sort=dropped&descending=true&limit=5"
    fleet = await forwarded.get(f"/api/control/console/projects/{factories.PROJECT}/fleet?{query}")
    ledger = await forwarded.post(f"/api/control/console/projects/{factories.PROJECT}/ledger", json={})

    assert [project["name"] for project in status.json()["projects"]] == [factories.PROJECT]
    assert models.json() == {"models": [], "latest_run": None}
    assert [each["name"] for each in fleet.json()["devices"]] == [factories.DEVICE]
    assert ledger.json()["captures"] == 0
