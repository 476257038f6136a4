"""A project with stored captures, their label tasks, and people who ask over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from labeling_queue import __main__ as main
from labeling_queue import handlers
from strop import app
from strop_contracts import events, keys, tables
from tests import factories, roles, users


@pytest.fixture
def runs_as() -> str:
    return "labeling-queue"


Ask = Callable[[str], Awaitable[httpx.AsyncClient]]
Store = Callable[..., Awaitable[tables.Capture]]

LABELS = ("can", "mug", "OK/NOK")
"""The labels of the project."""

PROJECT = f"/api/projects/{factories.PROJECT}"


@pytest.fixture
async def store(runtime: app.Runtime) -> Store:
    """Store one more image of the project: its bytes, its rows and the event about it."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        confirmed = [
            tables.FolderLabel(project=factories.PROJECT, name=each, label=each, author="ada") for each in LABELS
        ]
        session.add_all(confirmed)

    async def one(seed: int = 0, **changes: Any) -> tables.Capture:
        body = factories.picture(seed)
        async with runtime.sessions.begin() as session:
            capture = await factories.make_capture(session, body, **changes)
            await factories.make_image(session, capture)
            about = {"capture_id": capture.id, "device": capture.device, "sha256": capture.sha256}
            stored = events.ImageStored(project=capture.project, **about)
            await handlers.on_images_stored([stored], session)
        await runtime.storage.put(keys.image(capture.project, capture.sha256), body, capture.content_type)
        return capture

    return one


async def grow_late(runtime: app.Runtime, minutes: int) -> None:
    """Let so much of every lease pass."""
    earlier = tables.LabelTask.leased_until - timedelta(minutes=minutes)
    async with roles.arranging(runtime).begin() as session:
        await session.execute(update(tables.LabelTask).values(leased_until=earlier))


@pytest.fixture
async def ask(runtime: app.Runtime) -> AsyncIterator[Ask]:
    """A client of the API for a person, signed in by a token."""
    transport = httpx.ASGITransport(app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)}))
    async with AsyncExitStack() as stack:

        async def person(name: str) -> httpx.AsyncClient:
            async with runtime.sessions.begin() as session:
                token = await users.token(session, name, "api")
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx.AsyncClient(transport=transport, base_url="http://strop", headers=headers)
            return await stack.enter_async_context(client)

        yield person


async def take(client: httpx.AsyncClient, count: int = 1) -> list[str]:
    """Ids of the next tasks."""
    reply = await client.post(f"{PROJECT}/tasks/next", params={"count": count})
    return [task["id"] for task in reply.raise_for_status().json()]


async def say(client: httpx.AsyncClient, task: str, label: str = "can") -> httpx.Response:
    return await client.post(f"/api/tasks/{task}/answer", json={"answer": "label", "label": label})


async def undo(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/annotations/undo", json={"project": factories.PROJECT})
