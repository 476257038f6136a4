"""The wiring of ingest, with the source that delivers nothing by itself."""

import asyncio
from typing import cast

import pytest

from ingest import __main__ as main
from ingest.sources import recording
from strop import app, sqs
from tests import wait
from tests.integration.ingest.conftest import running


async def test_a_message_of_the_queue_reaches_the_handler_of_its_source(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_INGEST_SOURCES", '["recording"]')
    async with running(runtime) as service:
        ingest = cast("main.Ingest", service.loops[0].__self__)  # type: ignore[attr-defined]
        (source,) = cast("list[recording.RecordingSource]", ingest.sources)
        await runtime.queues.send("ingest", [sqs.Outgoing('{"recording": "text"}')])
        await wait.until(lambda: asyncio.sleep(0, source.handled))

        source.connected.clear()
        assert not service.ready()

    assert [event.text for event in source.handled] == ["text"]


async def test_a_message_of_an_inactive_source_is_a_dead_letter(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_INGEST_SOURCES", '["recording"]')
    async with running(runtime):
        await runtime.queues.send("ingest", [sqs.Outgoing('{"topic": "strop/p/d/state", "payload": "{}"}')])
        _, reason = await wait.for_letter(runtime, "ingest")

    assert reason == "neither an event nor a message of a source of ingest"
