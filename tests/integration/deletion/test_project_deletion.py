"""A deleted project leaves nothing behind in any service, and its name is free only then."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels.api import arns, faults
from custom_labels.api.call import Call
from custom_labels.projects import deletion, operations
from custom_labels.settings import Settings
from ingest import queries
from strop import app
from strop_contracts import events, tables
from strop_wire import ids
from tests import factories, wait
from tests.integration.deletion.conftest import CLEARING, Running

PROJECT = "flowers"
SHA256 = "a" * 64
USAGE = factories.usage({"rose": [1] * 10})
COUNTS = {
    **dict.fromkeys(("classified", "rejected", "failed", "low", "high", "audit"), 1),
    "predictions": USAGE.predictions,
    "latency": USAGE.latency,
}
KEYS = [
    f"{PROJECT}/{key}"
    for key in (
        *("raw_field_data/line-1/x.jpg", "labeled_field_data/rose/x.jpg", "datasets/base/train/rose/a.jpg"),
        *("datasets/versions/1/manifest.jsonl", "datasets/orders/x.jsonl", "datasets/changes/x.jsonl"),
        *("images/abc", "models/v1/head.onnx", "models/copies/x/head.onnx", "backbones/abc.onnx"),
    )
]


async def leftovers(runtime: app.Runtime) -> dict[str, int]:
    """Return the number of the project's rows by table, without tables that have none."""
    async with runtime.sessions() as session:
        counts: dict[str, Any] = {}
        for table in tables.Base.metadata.sorted_tables:
            if "project" in table.c:
                counts[table.name] = await session.scalar(
                    select(func.count()).select_from(table).where(table.c.project == PROJECT)
                )
    return {name: count for name, count in counts.items() if count}


async def create(runtime: app.Runtime) -> str:
    async with runtime.sessions.begin() as session:
        made = await operations.create(Call(runtime, Settings(), session), {"ProjectName": PROJECT})
    return str(made["ProjectArn"])


async def fill(session: AsyncSession) -> None:
    """Rows that are left once devices, captures and models are gone, of every owner."""
    run = tables.TrainingRun(project=PROJECT, state="succeeded", trigger="order")
    dataset = tables.HostedDataset(project=PROJECT, kind="TRAIN", status="CREATE_COMPLETE")
    image = {"project": PROJECT, "sha256": SHA256, "size": 1, "content_type": "image/jpeg", "width": 64, "height": 64}
    session.add_all([run, dataset, tables.Image(**image), tables.HostedImage(**image)])
    await session.flush()
    session.add_all(
        [
            tables.ModelFile(project=PROJECT, sha256=SHA256, key=f"{PROJECT}/models/v1/head.onnx", size=1),
            tables.DeviceReport(
                project=PROJECT, device="line-1", boot=ids.uuid7(), sequence=1, state=factories.state()
            ),
            tables.DeviceUsage(
                project=PROJECT,
                device="line-1",
                boot=ids.uuid7(),
                model="v1",
                policy=0,
                sequence=1,
                usage=USAGE,
            ),
            tables.UsageHour(project=PROJECT, device="line-1", hour=datetime.now(UTC), model="v1", policy=0, **COUNTS),
            tables.UsageDay(project=PROJECT, device_group="", day=date(2026, 1, 1), model="v1", policy=0, **COUNTS),
            tables.TriggerDecision(project=PROJECT, train=False, reasons=[]),
            tables.TrainingSettings(project=PROJECT, backend="head", options={}),
            tables.TriggerCheck(project=PROJECT, due_at=datetime.now(UTC)),
            tables.ProjectSettings(project=PROJECT, version=1, body={}, by="ann"),
            tables.Policy(project=PROJECT, version=1, body={}),
            tables.ProjectPolicy(project=PROJECT, name="copy", revision="1", document="{}"),
            tables.Deployment(project=PROJECT, model_version=1, kind="rollout", stages=[1.0]),
            tables.HostedEntry(
                dataset_id=dataset.id, source_ref="s3://b/a", position=0, line="{}", labels=[], sha256=None, errors=[]
            ),
            tables.HostedChange(dataset_id=dataset.id, kind="create", source={}),
        ]
    )


async def delete(runtime: app.Runtime, arn: str) -> events.ProjectDeleted:
    """Delete the project; returns the event that every service gets."""
    async with runtime.sessions.begin() as session:
        await deletion.delete(Call(runtime, Settings(), session), {"ProjectArn": arn})
        project = await session.get_one(tables.Project, PROJECT)
        return events.ProjectDeleted.model_validate({"project": PROJECT, "deletion_id": project.deletion_id})


async def filled(runtime: app.Runtime) -> str:
    """Make the project with rows and objects of every owner; returns its ARN."""
    arn = await create(runtime)
    async with runtime.sessions.begin() as session:
        await fill(session)
    for key in [*KEYS, f"{PROJECT}2/images/abc"]:
        await runtime.storage.put(key, b"x")
    return arn


async def uncleared(runtime: app.Runtime) -> list[str] | None:
    """Return the services that have not cleared their part; None if the project is gone."""
    async with runtime.sessions() as session:
        project = await session.get(tables.Project, PROJECT)
        return None if project is None else project.uncleared


async def gone(runtime: app.Runtime) -> None:
    async def look() -> bool:
        return await uncleared(runtime) is None

    await wait.until(look)


async def test_no_row_and_no_object_of_any_owner_is_left(runtime: app.Runtime, running: Running) -> None:
    arn = await filled(runtime)
    async with running(CLEARING):
        await delete(runtime, arn)
        await gone(runtime)

    assert await leftovers(runtime) == {}
    assert [key async for key in runtime.storage.keys("")] == [f"{PROJECT}2/images/abc"]


async def test_a_reused_name_is_granted_no_file_of_the_deleted_project(runtime: app.Runtime, running: Running) -> None:
    arn = await filled(runtime)
    async with running(CLEARING):
        await delete(runtime, arn)
        await gone(runtime)

    await create(runtime)

    async with runtime.sessions() as session:
        assert await queries.devices.model_files(session, {(PROJECT, SHA256)}) == {}
        assert (await session.scalars(select(tables.DeviceReport))).all() == []


async def test_the_name_is_taken_until_a_service_that_was_down_has_cleared(
    runtime: app.Runtime, running: Running
) -> None:
    arn = await filled(runtime)

    async def all_but_one() -> bool:
        return await uncleared(runtime) == ["trainer"]

    async with running(CLEARING.keys() - {"trainer"}):
        await delete(runtime, arn)
        await wait.until(all_but_one)
        with pytest.raises(faults.ResourceInUseException):
            await create(runtime)
        async with running(["trainer"]):
            await gone(runtime)

    assert await create(runtime) != arn


async def test_repeated_events_change_nothing_more(runtime: app.Runtime) -> None:
    arn = await filled(runtime)
    event = await delete(runtime, arn)
    for _ in range(2):
        for module in CLEARING.values():
            await module.of(runtime).on_project_deleted(event)

    answers = [each for each in await wait.outbox(runtime) if isinstance(each, events.ProjectCleared)]
    async with runtime.sessions.begin() as session:
        for answer in reversed(answers):  # in any order
            await deletion.on_project_cleared(answer, session)

    assert len(answers) == 2 * len(CLEARING)
    assert await uncleared(runtime) is None
    assert await leftovers(runtime) == {}


async def cleared(runtime: app.Runtime, deletion_id: UUID, service: str) -> None:
    answer = events.ProjectCleared(project=PROJECT, deletion_id=deletion_id, service=service)
    async with runtime.sessions.begin() as session:
        await deletion.on_project_cleared(answer, session)


async def test_messages_of_an_earlier_deletion_change_nothing(runtime: app.Runtime) -> None:
    event = await delete(runtime, await create(runtime))
    for service in CLEARING:
        await cleared(runtime, event.deletion_id, service)
    arn = await filled(runtime)  # the same name, by another user

    for module in CLEARING.values():
        await module.of(runtime).on_project_deleted(event)

    assert {"model_files", "policies", "deployments", "hosted_datasets"} <= (await leftovers(runtime)).keys()
    assert {key async for key in runtime.storage.keys(f"{PROJECT}/")} == set(KEYS)
    await delete(runtime, arn)
    for service in CLEARING:
        await cleared(runtime, event.deletion_id, service)
    assert await uncleared(runtime) == list(CLEARING)


async def test_a_project_is_kept_while_an_answer_is_missing(runtime: app.Runtime) -> None:
    event = await delete(runtime, await create(runtime))
    *answered, missing = CLEARING
    for service in answered:
        await cleared(runtime, event.deletion_id, service)

    assert await uncleared(runtime) == [missing]


async def test_a_deleted_hosted_model_keeps_no_project(runtime: app.Runtime) -> None:
    arn = await create(runtime)
    async with runtime.sessions.begin() as session:
        run = tables.TrainingRun(project=PROJECT, state="succeeded", trigger="order")
        session.add(run)
        await session.flush()
        model = {"project": PROJECT, "version": 1, "run_id": run.id, "dataset_version": 1, "reasons": [], "labels": []}
        session.add(tables.ModelVersion(**model, state="hosted", files={}))

    await delete(runtime, arn)

    assert await uncleared(runtime) == list(CLEARING)
    assert arns.parse(Settings(), arn)
