"""Copies of captures that people move in the bucket: what labeling-queue has to look at follows.

Events of objects arrive in any order and several times, and our own moves cause the same ones. So an event only names a
key; what counts is where files lie now.
"""

from datetime import datetime

from ingest import by_hand, object_keys, queries
from strop import db, inbox, outbox, storage
from strop_contracts import events, keys, states, tables


class Copies:
    """Gives each copy the place of its capture, and publishes what a person's move means."""

    def __init__(self, sessions: db.Sessions, bucket: storage.Storage, hand: by_hand.ByHand) -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._hand = hand

    async def labeled(self, key: str, sequencer: str, image: object_keys.LabeledImage, at: datetime) -> None:
        """Handle a file in the folder of a label, or its removal.

        Publish LabelFiled with the folder's label, unless the ground truth equals it: then Strop moved the file. A renamed file,
        or one in a deeper folder or in another spelling of the folder, moves to its place, whose event follows.
        """
        current = await self._bucket.head(key)
        async with self._sessions() as session:
            capture = await queries.captures.of_project(session, image.project, image.capture)
            placed = await queries.labels.placed(session, image.capture) if image.capture else ()
        if capture is None:
            if current:
                await self._hand.adopt(key, image)
        elif current is None:
            if image.label in placed and key == keys.labeled(capture, image.label):
                await self._publish(
                    key, sequencer, events.CopyMoved(project=image.project, capture_id=capture.id, at=at)
                )
        elif key != (place := keys.labeled(capture, image.label)):
            await self._move(key, place, current)
        elif placed[:1] != (image.label,):
            # With the time of the move: a person's answer since then is newer.
            filed = events.LabelFiled(project=image.project, capture_id=capture.id, label=image.label, at=at)
            await self._publish(key, sequencer, filed)

    async def raw(self, key: str, sequencer: str, capture: tables.Capture, upload: tables.Upload, at: datetime) -> None:
        """Handle a file among the unlabelled ones whose capture has an outcome: an upload reported twice, or a copy moved back."""
        current = await self._bucket.head(key)
        if current is None:
            return
        if upload.key and key != upload.key:
            if upload.state == states.UploadState.STORED:
                await self._move(key, upload.key, current)
            return
        async with self._sessions() as session:
            placed = await queries.labels.placed(session, capture.id)
        if any(placed):
            await self._publish(key, sequencer, events.CopyMoved(project=capture.project, capture_id=capture.id, at=at))

    async def _move(self, key: str, place: str, current: storage.Head) -> None:
        await self._bucket.copy(key, place)  # whose event follows
        await self._bucket.delete_unchanged(key, current.etag)

    async def _publish(self, key: str, sequencer: str, event: events.Event) -> None:
        async with self._sessions.begin() as session:
            if await inbox.claim(session, "ingest", f"{key}@{sequencer}"):
                await outbox.add(session, event)
