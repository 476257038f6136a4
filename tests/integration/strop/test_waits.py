"""Each state that waits for an event gets it again, with the rights of the service that waits, and no other state does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, reconciler
from strop_contracts import events, states, tables, waits
from strop_wire import ids
from tests import factories, roles, wait

LONG_AGO = datetime.now(UTC) - timedelta(hours=2)
PROJECT, DEVICE = factories.PROJECT, factories.DEVICE
VERSION = states.VersionStatus

Fields = dict[str, Any]
Arrange = Callable[[AsyncSession], Awaitable[Fields]]


async def undecided_capture(session: AsyncSession) -> Fields:
    capture = await factories.make_capture(session, factories.picture(1), at=LONG_AGO)
    return {"capture_id": capture.id, "device": DEVICE}


async def stored_capture(session: AsyncSession) -> Fields:
    capture = await factories.make_capture(session, factories.picture(1), at=LONG_AGO)
    session.add(tables.Upload(capture_id=capture.id, state="stored", stored_at=LONG_AGO))
    return {"capture_id": capture.id, "device": DEVICE, "sha256": capture.sha256}


async def unmoved_copy(session: AsyncSession) -> Fields:
    about = {"capture_id": ids.uuid7(), "project": PROJECT, "device": DEVICE, "sha256": "0" * 64}
    session.add(tables.LabelTask(**about, state="done", priority=0.1, copy_due_at=LONG_AGO))
    session.add(tables.GroundTruth(**about, label="can", author="ada"))
    return {"capture_id": about["capture_id"], "device": DEVICE, "label": "can", "author": "ada"}


async def unmoved_copy_without_a_label(session: AsyncSession) -> Fields:
    about = {"capture_id": ids.uuid7(), "project": PROJECT, "device": DEVICE, "sha256": "0" * 64}
    session.add(tables.LabelTask(**about, priority=0.1, copy_due_at=LONG_AGO))
    return {"capture_id": about["capture_id"], "device": DEVICE, "label": None, "author": ""}


async def run(session: AsyncSession, state: str, **columns: Any) -> tables.TrainingRun:
    made = tables.TrainingRun(id=ids.uuid7(), project=PROJECT, state=state, trigger="order", at=LONG_AGO, **columns)
    session.add(made)
    await session.flush()
    return made


async def requested_run(session: AsyncSession) -> Fields:
    return {"run_id": (await run(session, "requested")).id}


async def approved_model(session: AsyncSession) -> Fields:
    model = await factories.make_model(session, 3)
    model.at = model.judged_at = LONG_AGO
    return {"model_version": 3}


async def unanswered_order(session: AsyncSession) -> Fields:
    deployment = tables.Deployment(id=ids.uuid7(), project=PROJECT, model_version=3, kind="rollout", stages=[1.0])
    session.add(deployment)
    await session.flush()
    device = await session.get_one(tables.Device, (PROJECT, DEVICE))
    device.model = "v3"
    about = {"deployment_id": deployment.id, "device": DEVICE, "project": PROJECT, "stage": 0, "current": True}
    session.add(tables.DeploymentDevice(**about, state="sent", sent_at=LONG_AGO))
    return {"device": DEVICE, "model": "v3", "deployment_id": None}


async def unannounced_rollback(session: AsyncSession) -> Fields:
    about = {"project": PROJECT, "stages": [1.0], "at": LONG_AGO, "finished_at": LONG_AGO}
    bad = {"kind": "rollout", "state": "rolled_back", "ended_by": "ada", "reason": "labels: …", "reached": 4}
    taken_back = tables.Deployment(id=ids.uuid7(), model_version=3, **about, **bad)
    session.add_all([taken_back, tables.Deployment(model_version=2, kind="rollback", state="succeeded", **about)])
    fields = {"deployment_id": taken_back.id, "model_version": 3, "to_version": 2, "automatic": False}
    return fields | {"by": "ada", "reason": "labels: …", "devices_reached": 4}


async def version(session: AsyncSession, **columns: Any) -> tables.ProjectVersion:
    made = tables.ProjectVersion(id=ids.uuid7(), project=PROJECT, name="mine", at=LONG_AGO, output={}, **columns)
    session.add(made)
    await session.flush()
    return made


async def ordered_version(session: AsyncSession) -> Fields:
    made = await version(session, status=VERSION.TRAINING_IN_PROGRESS, run_id=ids.uuid7())
    manifest = f"{PROJECT}/datasets/orders/{made.id}.jsonl"
    return {"run_id": made.run_id, "manifest": manifest, "backbone": events.HOSTED_BACKBONE}


async def trained_version(session: AsyncSession) -> Fields:
    model = await factories.make_model(session, 3, state="hosted")
    (await session.get_one(tables.TrainingRun, model.run_id)).finished_at = LONG_AGO
    await version(session, status=VERSION.TRAINING_IN_PROGRESS, run_id=model.run_id)
    return {"run_id": model.run_id, "model_version": 3}


async def failed_version(session: AsyncSession) -> Fields:
    ended = await run(session, "failed", error="too few labels", finished_at=LONG_AGO)
    await version(session, status=VERSION.TRAINING_IN_PROGRESS, run_id=ended.id)
    return {"run_id": ended.id, "reason": "too few labels"}


async def unshown_model(session: AsyncSession) -> Fields:
    model = await factories.make_model(session, 3, state="refused")
    model.at = LONG_AGO
    return {"id": model.run_id, "run_id": model.run_id, "model_version": 3}


async def unfinished_change(session: AsyncSession) -> Fields:
    dataset = tables.HostedDataset(id=ids.uuid7(), project=PROJECT, kind="TRAIN", status="CREATE_IN_PROGRESS")
    session.add(dataset)
    await session.flush()
    change = tables.HostedChange(id=ids.uuid7(), dataset_id=dataset.id, kind="create", source={}, at=LONG_AGO)
    session.add(change)
    return {"change_id": change.id}


async def deleted_version(session: AsyncSession) -> Fields:
    (await factories.make_model(session, 3, state="hosted")).at = LONG_AGO
    return {"model_version": 3}


async def uncleared_project(session: AsyncSession) -> Fields:
    project = await session.get_one(tables.Project, PROJECT)
    old = f"{int(LONG_AGO.timestamp() * 1000):012x}"
    project.deletion_id = UUID(f"{old}7000800000000000abcd")  # a UUIDv7 begins with its time
    return {"deletion_id": project.deletion_id}


CASES: list[tuple[str, waits.Wait, Arrange]] = [
    ("ingest", waits.DECISION, undecided_capture),
    ("labeling-queue", waits.TASK, stored_capture),
    ("labeling-queue", waits.COPY, unmoved_copy),
    ("labeling-queue", waits.COPY, unmoved_copy_without_a_label),
    ("trainer", waits.TRAINING, requested_run),
    ("deployer", waits.ROLLOUT, approved_model),
    ("deployer", waits.REPORT, unanswered_order),
    ("deployer", waits.ANNOUNCEMENT, unannounced_rollback),
    ("custom-labels", waits.ORDER, ordered_version),
    ("custom-labels", waits.TRAINED, trained_version),
    ("custom-labels", waits.NOT_TRAINED, failed_version),
    ("custom-labels", waits.FLEET_VERSION, unshown_model),
    ("custom-labels", waits.CHANGE, unfinished_change),
    ("custom-labels", waits.MODEL_DELETION, deleted_version),
    ("custom-labels", waits.PROJECT_DELETION, uncleared_project),
]


@pytest.fixture
def runs_as(request: pytest.FixtureRequest) -> str | None:
    service: str | None = request.node.callspec.params.get("service") if hasattr(request.node, "callspec") else None
    return service


@pytest.mark.parametrize(("service", "kind", "arrange"), CASES, ids=[arrange.__name__ for *_, arrange in CASES])
async def test_the_event_of_a_waiting_row_is_emitted_again(
    runtime: app.Runtime, service: str, kind: waits.Wait, arrange: Arrange
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        fields = await arrange(session)

    emitted = {
        each.kind: await reconciler.Reconciler(runtime.sessions, runtime.queues, service, 600).reconcile(each)
        for each in waits.BY_SERVICE[service]
    }

    assert {name: number for name, number in emitted.items() if number} == {kind.kind: 1}
    (event,) = await wait.outbox(runtime)
    assert type(event) is kind.event
    assert event.project == PROJECT
    assert {name: getattr(event, name) for name in fields} == fields
    async with roles.arranging(runtime)() as session:
        stuck = await reconciler.stuck(session, [kind], PROJECT, 3600 / (reconciler.SLOW if kind.slow else 1))
    assert [each.partition(", ")[0] for each in stuck] == [f"{kind.kind}: 1"]


def test_every_wait_is_tried() -> None:
    assert {id(kind) for _, kind, _ in CASES} == {id(each) for kinds in waits.BY_SERVICE.values() for each in kinds}


async def test_a_version_that_was_deleted_after_its_event_does_not_come_back(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        fields = await unshown_model(session)
        session.add(tables.Inbox(consumer="custom-labels", event_id=str(fields["run_id"])))

    again = reconciler.Reconciler(runtime.sessions, runtime.queues, "custom-labels", 600)

    assert await again.reconcile(waits.FLEET_VERSION) == 0
