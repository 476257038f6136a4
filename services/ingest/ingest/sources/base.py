"""The interface of a source: a way by which messages of devices and changes of objects reach ingest, at least once.

A source may hold a connection of its own (`run`), or have its notifications sent to ingest's queue (`owns`, `read`,
`handlers`), or both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from strop_contracts import events

Handle = Callable[[Sequence[Any]], Awaitable[None]]
"""Handles events of one kind outside of a transaction. Idempotent; PartialFailure names the events that failed."""


class Reader(Protocol):
    """Reads the source's messages of ingest's queue; pure."""

    @staticmethod
    def owns(body: Mapping[str, Any]) -> bool:
        """Whether a message, a JSON object, is one of this source."""

    @staticmethod
    def read(body: Mapping[str, Any]) -> events.Event | None:
        """Read a message that the source owns; None if it needs no work, InvalidMessage if it is malformed."""


class Source(Reader, Protocol):
    """One way in. Several may be active; all replicas of ingest have the same ones."""

    def ready(self) -> bool:
        """Whether the source can deliver at this moment."""

    async def run(self, stop: asyncio.Event) -> None:
        """Receive until `stop` is set: commit, then acknowledge. A source without a connection returns at once."""

    def handlers(self) -> Mapping[type[events.Event], Handle]:
        """Return the handlers of the events that `read` returns."""
