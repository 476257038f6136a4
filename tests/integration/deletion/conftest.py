"""The part of each service that a project's deletion needs, with the rights of its role."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

import custom_labels.projects.clearing
import deployer.clearing
import ingest.clearing
import labeling_queue.clearing
import router.clearing
import trainer.clearing
from custom_labels.projects import deletion
from strop import app, consumer, outbox
from strop.settings import Settings
from strop_contracts import events

CLEARING = {
    "ingest": ingest.clearing,
    "router": router.clearing,
    "labeling-queue": labeling_queue.clearing,
    "trainer": trainer.clearing,
    "deployer": deployer.clearing,
    "custom-labels": custom_labels.projects.clearing,
}

Running = Callable[[Iterable[str]], AbstractAsyncContextManager[None]]


@pytest.fixture
def running(settings: Settings, runtime: app.Runtime) -> Running:
    """Run the consumers of these services, and the relay, while the block lasts."""

    @asynccontextmanager
    async def run(names: Iterable[str]) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
            group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02))
            for name in names:
                own = await opened.enter_async_context(app.runtime(settings, name))
                cleared: dict[type[events.Event], Any] = {}
                if name == "custom-labels":
                    cleared[events.ProjectCleared] = deletion.on_project_cleared
                table = consumer.Handlers(
                    one=cleared, long={events.ProjectDeleted: CLEARING[name].of(own).on_project_deleted}
                )
                group.create_task(consumer.Consumer(name, own.sessions, own.queues, table, wait=1).run(stop))
            yield
            stop.set()

    return run
