"""The HTTP API does what its OpenAPI document says, whatever it is asked: schemathesis makes the questions."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import checks as common
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from labeling_queue import __main__ as main
from strop import app
from strop_contracts import tables
from tests import factories, users, wait
from tests.integration.labeling_queue.conftest import Store

QUESTIONS = 10
"""Per operation and kind of question."""

CHECKS = [  # those that look at the answer; others ask again in other ways, which takes long
    common.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]

BODIES = {
    "post /api/tasks/{task}/answer": {"answer": "label", "label": "can"},
    "post /api/annotations/undo": {"project": factories.PROJECT},
    "post /api/projects/{project}/labels": {"name": "water", "label": "can"},
}
"""What has its good answer at least once: of bodies that are made up, one that fits what is there may never come."""

Site = tuple[str, dict[str, str]]  # the API's address, and the header of a person


@pytest.fixture
async def site(runtime: app.Runtime) -> AsyncIterator[Site]:
    """The API on a port of its own: schemathesis asks from another thread."""
    async with runtime.sessions.begin() as session:
        token = await users.token(session, "ada", "api")
    config = uvicorn.Config(
        app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)}), port=0, log_config=None, access_log=False
    )
    server = app._Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(wait.PATIENCE):
        while not server.started:
            await asyncio.sleep(0.01)
    (listening,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", {"Authorization": f"Bearer {token}"}
    server.should_exit = True
    await serving


Met = dict[str, set[int]]  # by operation the status codes of its answers


def ask_what_works(operation: Any, session: requests.Session, met: Met, parts: dict[str, str]) -> None:
    name = f"{operation.method} {operation.path}"
    body = {"body": BODIES[name], "media_type": "application/json"} if name in BODIES else {}
    answer = operation.Case(path_parameters=parts, **body).call_and_validate(session=session, checks=CHECKS)
    met[name].add(answer.status_code)


def ask(operation: Any, session: requests.Session, met: Met, mode: schemathesis.GenerationMode, **known: Any) -> None:
    """Ask an operation questions of one kind; `known` are parts that are not made up."""

    @given(operation.as_strategy(generation_mode=mode, **known))
    @settings(max_examples=QUESTIONS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def question(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(session=session, checks=CHECKS)
        met[f"{operation.method} {operation.path}"].add(answer.status_code)

    question()


async def test_every_response_is_one_of_the_document(runtime: app.Runtime, site: Site, store: Store) -> None:
    for seed in range(3):
        capture = await store(seed)
    async with runtime.sessions.begin() as session:
        session.add(tables.FiledLabel(project=capture.project, capture_id=capture.id, label="water"))
    url, headers = site
    async with httpx.AsyncClient(base_url=url, headers=headers) as ada:
        tasks = (await ada.post(f"/api/projects/{factories.PROJECT}/tasks/next?count=3")).json()
    answered, skipped, _ = (task["id"] for task in tasks)

    def ask_all() -> Met:
        met: Met = defaultdict(set)
        with requests.Session() as session:
            session.headers.update(headers)
            for each in schemathesis.openapi.from_url(f"{url}/api/openapi.json").get_all_operations():
                assert isinstance(each, Ok)
                operation = each.ok()
                known = {"task": skipped if "skip" in operation.path else answered, "project": factories.PROJECT}
                parts = {name: known[name] for name in known if "{" + name + "}" in operation.path}
                ask_what_works(operation, session, met, parts)
                ask(operation, session, met, schemathesis.GenerationMode.POSITIVE, path_parameters=parts or None)
                ask(operation, session, met, schemathesis.GenerationMode.NEGATIVE)
        return met

    met = await asyncio.to_thread(ask_all)

    assert len(met) == 10
    assert not [operation for operation, codes in met.items() if not codes & {200, 204}], met


async def test_everything_is_described(site: Site) -> None:
    async with httpx.AsyncClient(base_url=site[0]) as client:
        document = (await client.get("/api/openapi.json")).json()

    assert document["info"]["description"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert operation["summary"], where
            assert operation["security"], where
            assert {"401", "422"} <= set(operation["responses"]), where
            assert all(each["description"] for each in operation["responses"].values()), where
            assert all(each.get("description") for each in operation.get("parameters", ())), where
    own = {name: each for name, each in document["components"]["schemas"].items() if "Validation" not in name}
    for name, schema in own.items():
        assert schema.get("description") or name.startswith("Body_"), name
        for field, found in schema["properties"].items():
            assert found.get("description"), f"{name}.{field}"
