"""What people's moves of copies in the bucket mean: a label, a label taken back, or nothing.

A move arrives as events of single objects, in any order and several times, and Strop's own moves cause the same ones. So an
event only starts a look at where the copies of a capture lie now. Strop's move for the newest answer is over when the copy is
no longer due; what lies elsewhere after that, a person put there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import annotations, labels, queries, rules
from strop import db, storage
from strop_contracts import errors, events, tables
from strop_wire import fields

log = structlog.get_logger()

SETTLED = timedelta(minutes=10)
"""Age from which a second copy of a capture is no move in progress: `aws s3 sync --delete` deletes after the last upload."""


@dataclass(frozen=True, slots=True)
class Look:
    """Where the copies of a capture may lie."""

    label: str | None  # of the ground truth
    waiting: str | None  # unknown label, whose folder the file was moved to
    moving: bool  # Strop's own move for the newest answer is not over
    raw: str
    labeled: Mapping[str, str]  # keys by label: those that were given so far, the newest first


@dataclass(frozen=True, slots=True)
class Filing:
    """Looks at the bucket outside of a transaction, then writes in one. Idempotent."""

    make: db.Sessions
    bucket: storage.Storage

    async def on_label_filed(self, event: events.LabelFiled) -> None:
        """Record a file in the folder of a label as an answer.

        A copy that appears in the folder of an earlier label, while the one in the folder of the current label is still
        there, is no answer: it is an old state of the folders, uploaded again.
        """
        try:
            label = fields.label(event.label)
        except fields.Malformed as error:
            raise errors.InvalidMessage(str(error)) from error
        look = await self._look(event)
        if label in look.labeled and label not in {look.label, look.waiting}:
            copy = await self.bucket.head(look.labeled[label])
            if copy is None:
                return  # moved on, or our own copy from before the newest answer
            if look.moving:
                raise errors.RetryLater(f"the copy of capture {event.capture_id} is being moved")
            if look.label and await self.bucket.head(look.labeled[look.label]):
                await self._remove_old(look.labeled[label], copy)
                return
        async with self.make.begin() as session:
            await annotations.file(session, event)

    async def on_copy_moved(self, event: events.CopyMoved) -> None:
        """Take the label of a capture back if its copy lies among those without one; a mere removal changes nothing."""
        look = await self._look(event)
        if look.waiting and not await self.bucket.head(look.labeled[look.waiting]):
            async with self.make.begin() as session:
                await labels.settle(session, event.capture_id)
        if look.label is None:
            return
        if look.moving:
            raise errors.RetryLater(f"the copy of capture {event.capture_id} is being moved")
        raw = await self.bucket.head(look.raw)
        if await self.bucket.head(look.labeled[look.label]):
            if raw:
                await self._remove_old(look.raw, raw)
        elif raw:
            async with self.make.begin() as session:
                await annotations.withdraw(session, event.capture_id)
        else:
            await self._file_elsewhere(event, look)

    async def _file_elsewhere(self, event: events.CopyMoved, look: Look) -> None:
        """Record the label of the newest other folder with a copy: its event may have been handled before the removal."""
        for label, key in look.labeled.items():
            if label != look.label and await self.bucket.head(key):
                about = {"project": event.project, "capture_id": event.capture_id, "at": event.at}
                async with self.make.begin() as session:
                    await annotations.file(session, events.LabelFiled(**about, label=label))
                return

    async def _look(self, event: events.LabelFiled | events.CopyMoved) -> Look:
        async with self.make() as session:
            return await _look(session, event.project, event.capture_id)

    async def _remove_old(self, key: str, copy: storage.Head) -> None:
        """Remove a second copy that is older than any move in progress; the sweep of the bucket reports it again until then."""
        if datetime.now(UTC) - copy.modified >= SETTLED and await self.bucket.delete_unchanged(key, copy.etag):
            log.info("second_copy_removed", key=key)


async def _look(session: AsyncSession, project: str, capture_id: UUID) -> Look:
    capture = await session.get(tables.Capture, capture_id)
    if capture is None:
        raise errors.InvalidMessage(f"there is no capture {capture_id}")
    if capture.project != project:
        raise errors.InvalidMessage(f"capture {capture_id} belongs to another project")
    task = await queries.of_capture(session, capture_id)
    if task is None:
        raise errors.RetryLater(f"the image of capture {capture_id} is not stored yet")
    truth = await session.get(tables.GroundTruth, capture_id)
    filed = await session.get(tables.FiledLabel, capture_id)
    given = [each.label for each in reversed(await queries.history(session, task.id)) if each.label]
    return Look(
        label=truth.label if truth else None,
        waiting=filed.label if filed else None,
        moving=task.copy_due_at is not None,
        raw=await queries.unlabeled_key(session, capture),
        labeled={label: rules.copy_key(capture, label) for label in given},
    )
