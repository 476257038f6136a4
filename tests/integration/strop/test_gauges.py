"""What the gauges say is what is there."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from prometheus_client import REGISTRY
from sqlalchemy import delete, update

from deployer import metrics as deployer
from ingest import metrics as ingest
from labeling_queue import metrics as labeling_queue
from strop import app, gauges, metrics, outbox
from strop_contracts import events, tables
from strop_wire import ids
from tests import factories, wait
from trainer import metrics as trainer


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


TABLES = {
    "router": (),
    "ingest": ingest.GAUGES,
    "labeling-queue": labeling_queue.GAUGES,
    "trainer": trainer.GAUGES,
    "deployer": deployer.GAUGES,
}


async def look(runtime: app.Runtime, service: str) -> None:
    await gauges.measure(runtime.sessions, runtime.queues, service, TABLES[service])


async def test_what_waits_to_be_sent_is_counted_with_its_age(runtime: app.Runtime) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    received = events.CaptureReceived(project="cans", capture_id=ids.uuid7(), device="line-7")
    async with runtime.sessions.begin() as session:
        await outbox.add(session, received, received)
        await session.execute(update(tables.Outbox).values(at=hour_ago))
    await look(runtime, "router")
    assert value("strop_outbox_messages") == 2
    assert value("strop_outbox_oldest_seconds") == pytest.approx(3600, abs=60)
    assert value("strop_queue_messages", service="router") == 0

    await outbox.relay_once(runtime.sessions, runtime.queues)

    await look(runtime, "router")
    assert value("strop_outbox_messages") == 0
    assert value("strop_outbox_oldest_seconds") == 0
    assert value("strop_queue_messages", service="router") == 2


async def test_open_tasks_are_counted_by_project_and_a_project_without_any_is_gone(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        for number in range(3):
            task = {"project": "cans", "capture_id": ids.uuid7(), "device": "line-7", "sha256": "0" * 64, "priority": 0}
            session.add(tables.LabelTask(**task, state="done" if number == 2 else "open"))
    await look(runtime, "labeling-queue")
    assert value("strop_label_tasks_open", project="cans") == 2

    async with runtime.sessions.begin() as session:
        await session.execute(delete(tables.LabelTask))

    await look(runtime, "labeling-queue")
    assert value("strop_label_tasks_open", project="cans") is None


async def test_the_loop_is_counted_by_state(runtime: app.Runtime) -> None:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session, devices=("line-1", "line-2"))
        await factories.make_model(session, 1)
        await factories.make_model(session, 2, state="refused")
        await session.execute(
            update(tables.Device).values(seen_at=datetime.now(UTC)).where(tables.Device.name == "line-1")
        )
        deployment = tables.Deployment(project=factories.PROJECT, model_version=1, kind="rollout", stages=[1.0])
        session.add(deployment)
        await session.flush()
        told = {"deployment_id": deployment.id, "project": factories.PROJECT, "stage": 0}
        session.add(tables.DeploymentDevice(**told, device="line-1", current=True, state="installed"))
        session.add(tables.DeploymentDevice(**told, device="line-2", current=False, state="waiting"))

    for service in ("ingest", "trainer", "deployer"):
        await look(runtime, service)

    project = {"project": factories.PROJECT}
    assert value("strop_devices_online", **project) == 1
    assert value("strop_training_runs", **project, state="succeeded") == 2
    assert value("strop_model_versions", **project, state="refused") == 1
    assert value("strop_deployment_devices", **project, state="installed") == 1
    assert value("strop_deployment_devices", **project, state="waiting") is None


async def test_a_look_that_fails_is_tried_again(
    runtime: app.Runtime, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "EVERY", 0.05)
    metrics.QUEUE_MESSAGES.labels("router").set(7)
    url = await runtime.queues.url("router")
    await runtime.queues._client.delete_queue(QueueUrl=url)
    with structlog.testing.capture_logs() as logged:
        looking = asyncio.create_task(gauges.watch(runtime.sessions, runtime.queues, "router", ())(stop))

        async def failed() -> bool:
            return bool(logged)

        await wait.until(failed)
    assert value("strop_queue_messages", service="router") == 7
    await runtime.queues.create(["router"])

    async def counted() -> bool:
        return value("strop_queue_messages", service="router") == 0

    await wait.until(counted)
    stop.set()
    await looking
