"""A service is killed after it cleared a deleted project and before it acknowledged: the repeat changes nothing."""

from pathlib import Path

import pytest

from custom_labels.projects import deletion
from strop import app
from strop_contracts import events, tables
from strop_wire import ids
from tests import wait
from tests.integration.crash import victim

PROJECT = "flowers"


async def test_a_project_is_cleared_again_after_a_crash(
    runtime: app.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await victim.return_soon(runtime, monkeypatch, "router")
    deleted = events.ProjectDeleted(project=PROJECT, deletion_id=ids.uuid7())
    async with victim.killed(runtime, "router", "router:committed", tmp_path) as died:
        async with runtime.sessions.begin() as session:
            waiting = {"deletion_id": deleted.deletion_id, "uncleared": ["router"]}
            session.add(tables.Project(name=PROJECT, **waiting))
            session.add(tables.Policy(project=PROJECT, version=1, body={}))
            session.add(tables.Outbox(queue="router", body=deleted.dumps()))
        await died.wait()
        answers = await wait.for_events(runtime, "custom-labels", 2)

    async with runtime.sessions.begin() as session:
        for answer in answers:
            assert isinstance(answer, events.ProjectCleared)
            await deletion.on_project_cleared(answer, session)
    async with runtime.sessions() as session:
        assert await session.get(tables.Project, PROJECT) is None
        assert await session.get(tables.Policy, (PROJECT, 1)) is None
