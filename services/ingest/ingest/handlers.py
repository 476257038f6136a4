"""What ingest does on each event: the router's decisions, deleted projects, and what its sources put into the queue.

All of it does I/O, so it runs outside of a transaction and opens short ones of its own; a redelivery finds the row of the
first time and only answers again.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import grant_publisher, queries
from ingest.sources import base
from strop import clearing, consumer, db, storage
from strop_contracts import errors, events, keys, states, tables

log = structlog.get_logger()


class Decisions:
    """Turns the router's decisions into rows and answers."""

    def __init__(self, sessions: db.Sessions, bucket: storage.Storage, grants: grant_publisher.GrantPublisher) -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._grants = grants

    async def on_images_requested(self, requests: Sequence[events.ImageRequested]) -> None:
        """Grant the uploads. An image that is stored already is copied to the upload's key: its S3 event does the rest.

        An image whose row exists without its object is requested like a new one.
        """
        async with self._sessions.begin() as session:
            captures = await _captures(session, requests)
            decided = await queries.uploads.decide(session, [_granted(capture) for capture in captures])
            known = await queries.images.known(session, {(capture.project, capture.sha256) for capture in captures})
        copied = await asyncio.gather(*(self._copy(*each, known) for each in decided))
        await self._grants.captures(each for each, is_copied in zip(decided, copied, strict=True) if not is_copied)

    async def _copy(self, capture: tables.Capture, upload: tables.Upload, known: Collection[tuple[str, str]]) -> bool:
        """Copy an image that is stored already to the upload's key; False if there is none, or it is not expected."""
        if (capture.project, capture.sha256) not in known or upload.state != states.UploadState.GRANTED:
            return False
        assert upload.key, "a granted upload has a key"
        try:
            await self._bucket.copy(keys.image(capture.project, capture.sha256), upload.key)
        except storage.NoSuchObject:
            log.warning("image_missing", project=capture.project, sha256=capture.sha256)
            return False
        return True

    async def on_images_declined(self, declined: Sequence[events.ImageDeclined]) -> None:
        """Drop the captures with the router's reasons."""
        reasons = {event.capture_id: event.reason for event in declined}
        async with self._sessions.begin() as session:
            await _captures(session, declined)
            rows = [
                {"capture_id": id_, "state": states.UploadState.DROPPED, "reason": reason}
                for id_, reason in reasons.items()
            ]
            decided = await queries.uploads.decide(session, rows)
        await self._grants.captures(decided)


def _granted(capture: tables.Capture) -> dict[str, Any]:
    key = keys.upload(capture)
    return {"capture_id": capture.id, "state": states.UploadState.GRANTED, "key": key}


async def _captures(
    session: AsyncSession, decisions: Sequence[events.ImageRequested | events.ImageDeclined]
) -> list[tables.Capture]:
    wanted = {event.capture_id for event in decisions}
    rows = await queries.captures.get(session, wanted)
    errors.require_captures(wanted, rows)
    return [capture for capture, _ in rows.values()]


def table(decisions: Decisions, sources: Iterable[base.Source], projects: clearing.Clearing) -> consumer.Handlers:
    return consumer.Handlers(
        long_batch={
            events.ImageRequested: decisions.on_images_requested,
            events.ImageDeclined: decisions.on_images_declined,
            **{kind: handle for source in sources for kind, handle in source.handlers().items()},
        },
        long={events.ProjectDeleted: projects.on_project_deleted},
    )
