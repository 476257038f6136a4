"""A source without input of its own: it keeps what tests put into the queue. An example of the interface."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.sources import base
from strop_contracts import errors, events


class Recorded(events.Event):
    """A message `{"recording": TEXT}` of the queue; an event within ingest."""

    text: str


class RecordingSource:
    """`handled` has the events in order; `connected` is set while `run` runs."""

    def __init__(self) -> None:
        self.handled: list[Recorded] = []
        self.connected = asyncio.Event()

    def ready(self) -> bool:
        return self.connected.is_set()

    async def run(self, stop: asyncio.Event) -> None:
        self.connected.set()
        await stop.wait()
        self.connected.clear()

    @staticmethod
    def owns(body: Mapping[str, Any]) -> bool:
        return "recording" in body

    @staticmethod
    def read(body: Mapping[str, Any]) -> Recorded | None:
        if not isinstance(text := body["recording"], str):
            raise errors.InvalidMessage("expected a text in `recording`")
        return Recorded(project="", text=text) if text else None

    def handlers(self) -> Mapping[type[events.Event], base.Handle]:
        return {Recorded: self._handle}

    async def _handle(self, batch: Sequence[Recorded]) -> None:
        self.handled += batch
