"""What ingest does on each event: the router's decisions, what S3 says, and dead letters that are retried.

All of it talks to the broker or the bucket, so it runs outside of a transaction and opens short ones of its own; a repeat
finds the row that the first time made, and only answers again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ingest import announcements, answers, objects, places, queries, rules
from strop import clearing, consumer, db, storage
from strop_contracts import errors, events, keys, states, tables


class Decisions:
    """Turns the router's decisions into rows and answers."""

    def __init__(self, make: db.Sessions, store: storage.Storage, tell: answers.Answers) -> None:
        self._make = make
        self._store = store
        self._tell = tell

    async def on_images_requested(self, happened: Sequence[events.ImageRequested]) -> None:
        """Grant the uploads. An image that is here already is put in its place by us: S3's event does the rest."""
        async with self._make.begin() as session:
            captures = await _captures(session, happened)
            pairs = await queries.decide(session, [_granted(capture) for capture in captures])
            known = await queries.known_images(session, {(capture.project, capture.sha256) for capture in captures})
        placing: list[queries.Pair] = []
        telling: list[queries.Pair] = []
        for capture, upload in pairs:
            here = (capture.project, capture.sha256) in known and upload.state == states.UploadState.GRANTED
            (placing if here else telling).append((capture, upload))
        await asyncio.gather(*(self._place(*pair) for pair in placing))
        await self._tell.captures(telling)

    async def _place(self, capture: tables.Capture, upload: tables.Upload) -> None:
        assert upload.key, "a granted upload has a place to go to"
        await self._store.copy(keys.image(capture.project, capture.sha256), upload.key)

    async def on_images_declined(self, happened: Sequence[events.ImageDeclined]) -> None:
        reasons = {event.capture_id: event.reason for event in happened}
        async with self._make.begin() as session:
            await _captures(session, happened)
            rows = [
                {"capture_id": id_, "state": states.UploadState.DROPPED, "reason": reason}
                for id_, reason in reasons.items()
            ]
            pairs = await queries.decide(session, rows)
        await self._tell.captures(pairs)


def _granted(capture: tables.Capture) -> dict[str, Any]:
    key = places.field_key(capture.project, capture.device, capture.id, capture.content_type)
    return {"capture_id": capture.id, "state": states.UploadState.GRANTED, "key": key}


async def _captures(
    session: AsyncSession, happened: Sequence[events.ImageRequested | events.ImageDeclined]
) -> list[tables.Capture]:
    wanted = {event.capture_id for event in happened}
    found = await queries.captures(session, wanted)
    errors.require_captures(wanted, found)
    return [capture for capture, _ in found.values()]


def table(
    decisions: Decisions,
    files: objects.Objects,
    listening: announcements.Announcements,
    projects: clearing.Clearing,
) -> consumer.Handlers:
    return consumer.Handlers(
        long_batch={
            events.ImageRequested: decisions.on_images_requested,
            events.ImageDeclined: decisions.on_images_declined,
            objects.ObjectsChanged: files.on_objects_changed,
        },
        long={rules.MessageRetried: listening.retry, events.ProjectDeleted: projects.on_project_deleted},
    )
