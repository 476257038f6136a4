"""The copies of images in folders for people: `raw_field_data/…` until labelled, then `labeled_field_data/{label}/…`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import queries, rules
from strop import db, storage
from strop_contracts import errors, events, keys, tables

TIMEOUT = 20.0
"""Most seconds for the requests of one move."""

LEASE = timedelta(seconds=30)
"""How long a move keeps others of the same capture away: longer than TIMEOUT, so that no request is on its way when it ends."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where a copy belongs, and where it may be as well. `leased_until` is the token of the lease."""

    task_id: UUID
    leased_until: datetime
    due_at: datetime | None
    answered_at: datetime | None  # when the latest answer was recorded, or taken back
    original: str
    target: str
    unlabeled: str
    labeled: Sequence[str]  # of labels given before


@dataclass(frozen=True, slots=True)
class Folders:
    """Moves the copies: lease and commit, call S3, release and commit."""

    make: db.Sessions
    storage: storage.Storage

    async def on_image_labeled(self, event: events.ImageLabeled) -> None:
        """Put the capture's copy into the folder of its ground truth, and delete it from all others. Idempotent.

        The ground truth of now counts, not the event's: events have no order. Moves of one capture take turns by a lease,
        so the last one sees the last answer; RetryLater while another one runs. The copy is made from the image itself, so
        a move that was interrupted is completed by the next one.
        """
        async with self.make.begin() as session:
            move = await _lease(session, event.capture_id)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._move(move)
        except TimeoutError:
            raise  # its requests may still have an effect: the lease ends by itself
        except Exception:
            await self._release(move, None)
            raise
        await self._release(move, move.due_at)

    async def _move(self, move: Move) -> None:
        if await self.storage.size(move.target) is None:
            await self.storage.copy(move.original, move.target)
        if move.unlabeled != move.target:
            await self.storage.delete(move.unlabeled)
        for key in move.labeled:
            await self._delete(key, move.answered_at)

    async def _delete(self, key: str, answered_at: datetime | None) -> None:
        """Delete the copy at a key, unless a person moved it there after the latest answer: its event is on its way."""
        current = await self.storage.head(key)
        if current and not (answered_at and rules.is_newer(current.modified, answered_at)):
            await self.storage.delete_unchanged(key, current.etag)

    async def _release(self, move: Move, moved_for: datetime | None) -> None:
        async with self.make.begin() as session:
            await queries.release_copy(session, move.task_id, move.leased_until, moved_for)


async def _lease(session: AsyncSession, capture_id: UUID) -> Move:
    capture = await session.get(tables.Capture, capture_id)
    task = await queries.lock_of_capture(session, capture_id)
    if capture is None or task is None:
        raise errors.InvalidMessage(f"there is no capture {capture_id} with a label task")
    now = await queries.clock(session)
    if task.copy_leased_until and task.copy_leased_until > now:
        raise errors.RetryLater(f"the copy of capture {capture_id} is being moved")
    task.copy_leased_until = until = now + LEASE
    truth = await session.get(tables.GroundTruth, capture_id)
    given = await queries.history(session, task.id)
    unlabeled = await queries.unlabeled_key(session, capture)
    target = rules.copy_key(capture, truth.label) if truth and truth.label else unlabeled
    labeled = {rules.copy_key(capture, each.label) for each in given if each.label} - {target}
    return Move(
        task_id=task.id,
        leased_until=until,
        due_at=task.copy_due_at,
        answered_at=task.copy_due_at or max((each.undone_at or each.at for each in given), default=None),
        original=keys.image(capture.project, capture.sha256),
        target=target,
        unlabeled=unlabeled,
        labeled=sorted(labeled),
    )
