"""One trace follows one image over the real broker, database and queue."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select

from ingest import __main__ as ingest
from ingest import announcements
from labeling_queue import __main__ as labeling_queue
from router import __main__ as router
from strop import app, traces
from strop.settings import Settings
from strop_contracts import tables
from strop_devstack.platform import ports
from tests import device, factories, wait

HOPS = [  # service and span, in the order in which they begin
    ("ingest", "capture"),
    ("outbox", "send router"),
    ("router", "CaptureReceived"),
    ("outbox", "send ingest"),
    ("ingest", "ImageRequested"),
    ("ingest", "ObjectsChanged"),
    ("outbox", "send labeling-queue"),
    ("labeling-queue", "ImageStored"),
]


@pytest.fixture
async def services(
    runtime: app.Runtime, settings: Settings, stop: asyncio.Event, tmp_path: Path
) -> AsyncIterator[None]:
    """All that a capture meets, in one process."""
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
    (tmp_path / "run").mkdir()
    settings = settings.model_copy(update={"port": ports.stable(tmp_path, "web")})
    ready = asyncio.Event()
    builds = {each.NAME: each.build for each in (ingest, router, labeling_queue)}
    serving = asyncio.create_task(app.serve(settings, builds, stop=stop, ready=ready))
    async with asyncio.timeout(wait.PATIENCE):
        await ready.wait()
    yield
    stop.set()
    await serving
    await device.forget(settings.mqtt_url, announcements.client_id(settings))


@pytest.fixture
def spans(services: None) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.use(SimpleSpanProcessor(exporter))
    yield exporter
    traces.stop()


async def test_an_image_leaves_one_trace_from_mqtt_to_its_label_task(
    runtime: app.Runtime, spans: InMemorySpanExporter
) -> None:
    said = factories.announcement(body := factories.picture(1))
    async with device.connect(runtime.settings.mqtt_url) as phone:
        await phone.say(said)
        await phone.put(await phone.hear_of(said.id), body)

    async def hops() -> list[ReadableSpan]:
        found = [span for span in spans.get_finished_spans() if span.context.trace_id == UUID(said.id).int]
        return found if len(found) >= len(HOPS) else []

    trace = sorted(await wait.until(hops), key=lambda span: span.start_time or 0)
    async with runtime.sessions() as session:
        task = await session.scalar(select(tables.LabelTask).where(tables.LabelTask.capture_id == UUID(said.id)))
    assert task
    assert [(str(span.resource.attributes["service.name"]).removeprefix("strop-"), span.name) for span in trace] == HOPS
    known = {span.context.span_id: span for span in trace}
    first, *others = trace
    assert first.parent is None
    assert all(span.parent and span.parent.span_id in known for span in others)
    parents = {span.name: known[span.parent.span_id].name for span in others if span.parent}
    assert parents == {
        "send router": "capture",
        "CaptureReceived": "capture",
        "send ingest": "CaptureReceived",
        "ImageRequested": "CaptureReceived",
        "ObjectsChanged": "capture",  # the bucket knows the capture, and nothing else
        "send labeling-queue": "ObjectsChanged",
        "ImageStored": "ObjectsChanged",
    }


async def test_what_belongs_to_another_image_is_in_another_trace(
    runtime: app.Runtime, spans: InMemorySpanExporter
) -> None:
    one, two = (factories.announcement(factories.picture(seed)) for seed in (1, 2))
    async with device.connect(runtime.settings.mqtt_url) as phone:
        await phone.say(one)
        await phone.say(two)

        async def granted() -> set[int]:
            found = [span for span in spans.get_finished_spans() if span.name == "ImageRequested"]
            return {span.context.trace_id for span in found} if len(found) == 2 else set()

        assert await wait.until(granted) == {UUID(one.id).int, UUID(two.id).int}
