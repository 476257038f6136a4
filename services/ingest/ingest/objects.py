"""The S3 side: an object of the bucket was written or removed. Whose is it, is it what it claims to be, what follows?

S3 notifies at least once, in any order and without an id, so every step can be repeated: rows say what was done before.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import structlog

from ingest import answers, metrics, originals, places, queries, rules, uploads
from strop import db, inbox, outbox, storage, traces
from strop_contracts import errors, events, tables
from strop_image import decoder
from strop_wire import messages

log = structlog.get_logger()

AT_ONCE = 8
"""Objects handled side by side that are no uploads: each may be an image of 20 MiB."""

_REMOVED = ("ObjectRemoved:", "LifecycleExpiration:")

Object = tuple[str, str]
"""A key, and the sequencer by which S3 orders the events of a key."""


class ObjectsChanged(events.Event):
    """S3's notification, read as an event: files were written or removed. S3 sends it to ingest's queue itself."""

    objects: tuple[Object, ...]


def loads(body: str) -> events.Event | None:
    """Read a message of ingest's queue: an event of ours, S3's notification, or a device's message that is retried.

    None for S3's test message, and for what lies where ingest does not look.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidMessage(f"not JSON: {error}") from error
    if not isinstance(data, dict) or "name" in data:
        return events.loads(body)
    if data.get("Event") == "s3:TestEvent":
        return None
    if "topic" in data:
        return rules.read_letter(data)
    try:
        told = [(_object(record), record) for record in data["Records"] if _concerns(record)]
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.InvalidMessage(f"neither an event nor S3's: {type(error).__name__}: {error}") from error
    if not told:
        return None
    (key, _), first = told[0]
    objects = tuple(found for found, _ in told)
    return ObjectsChanged(project=key.partition("/")[0], objects=objects, trace=_trace(key), at=_time(first))


def _concerns(record: dict[str, Any]) -> bool:
    """Whether ingest looks after the object: not the originals that we put ourselves, nor what is hidden.

    Of what is removed only files of base data sets count: people's copies of captures are no truth, and what was never taken is
    not missed. A hidden file may have a row from before its name counted as hidden.
    """
    name, (key, _) = record["eventName"], _object(record)
    try:
        place = places.read(key)
    except errors.InvalidMessage:  # said when it is handled
        return "ObjectCreated:" in name
    if "ObjectCreated:" in name:
        if is_hidden := places.is_hidden(key):
            log.info("hidden_object_ignored", key=key)
        return place is not None and not is_hidden
    return isinstance(place, places.DatasetImage | places.HiddenFile) and any(kind in name for kind in _REMOVED)


def _trace(key: str) -> str | None:
    """The trace of the capture that a key names."""
    with suppress(errors.InvalidMessage):  # said when it is handled
        if capture := getattr(places.read(key), "capture", None):
            return traces.of_capture(capture)
    return None


def _object(record: dict[str, Any]) -> Object:
    found = record["s3"]["object"]
    return unquote_plus(found["key"]), str(found.get("sequencer", ""))


def _time(record: dict[str, Any]) -> datetime:
    """When S3 says it happened; now, when it says nothing that can be."""
    now = datetime.now(UTC)
    with suppress(KeyError, ValueError, TypeError):  # a time without a zone cannot be compared: TypeError
        return min(now, datetime.fromisoformat(record["eventTime"]))
    return now


class Objects:
    """Handles what was written or removed: uploads of devices many at a time, anything else by itself."""

    def __init__(self, make: db.Sessions, store: storage.Storage, tell: answers.Answers) -> None:
        self._make = make
        self._store = store
        self._originals = originals.Originals(store)
        self._uploads = uploads.Uploads(make, store, tell, self._originals)
        self._free = asyncio.Semaphore(AT_ONCE)

    async def on_objects_changed(self, happened: Sequence[ObjectsChanged]) -> None:
        """Handle each object; one that is invalid does not keep the others from being handled."""
        failed: dict[str, Exception] = {}  # by key
        fields: dict[str, places.FieldImage] = {}
        others: dict[Object, Awaitable[None]] = {}
        for (key, sequencer), at in {each: event.at for event in happened for each in event.objects}.items():
            try:
                place = places.read(key)
            except errors.InvalidMessage as error:
                failed[key] = error
                continue
            match place:
                case places.FieldImage():
                    fields[key] = place
                case places.LabeledImage():
                    others[key, sequencer] = self._labeled(key, sequencer, place, at)
                case places.DatasetImage():
                    others[key, sequencer] = self._dataset(key, sequencer, place)
                case places.HiddenFile():
                    others[key, sequencer] = self._forget(key, place)
        failed |= await self._each(others)
        unknown = [error for error in failed.values() if isinstance(error, errors.InvalidMessage)]
        metrics.IMAGES_REFUSED.labels("unknown").inc(len(unknown))
        if fields:
            failed |= await self._uploads.take(fields)
        if failed:
            raise errors.PartialFailure(dict(_blamed(happened, failed)))

    async def _each(self, others: Mapping[Object, Awaitable[None]]) -> dict[str, Exception]:
        done = await asyncio.gather(*map(self._one, others.values()), return_exceptions=True)
        return {key: error for (key, _), error in zip(others, done, strict=True) if isinstance(error, Exception)}

    async def _one(self, work: Awaitable[None]) -> None:
        async with self._free:
            await work

    # --- a person's move ---

    async def _labeled(self, key: str, sequencer: str, place: places.LabeledImage, at: datetime) -> None:
        """Take the folder for the label, unless the move was ours: then the label is already there."""
        if await self._store.size(key) is None:
            return  # moved on since
        if key != (target := places.spelled(key, place)):
            await self._store.copy(key, target)  # whose event follows
            await self._store.delete(key)
            return
        async with self._make.begin() as session:
            found = (await queries.captures(session, [place.capture])).get(place.capture)
            if found is None or found[0].project != place.project:
                raise errors.InvalidMessage(f"{key}: project {place.project} has no capture {place.capture}")
            truth = await session.get(tables.GroundTruth, place.capture)
            if truth and truth.label == place.label:
                return
            if await inbox.claim(session, "ingest", f"{key}@{sequencer}"):
                # At the time of the move: an answer that a person gave since is the newer one.
                filed = events.LabelFiled(project=place.project, capture_id=place.capture, label=place.label, at=at)
                await outbox.add(session, filed)

    # --- a base data set ---

    async def _dataset(self, key: str, sequencer: str, place: places.DatasetImage) -> None:
        """Bring the row of a base image in line with what lies at its key now, whatever the event said.

        So events may come late, twice and in any order. What changes the object in the meantime has an event of its own.
        """
        found = await self._store.head(key)
        judged = await self._judge(key, place) if found else None
        if found and judged is None:
            return
        async with self._make.begin() as session:
            await queries.take_turn(session, key)
            if await self._store.head(key) != found:
                return
            if found and judged is not None:
                await queries.put_dataset_item(session, key, place, found.modified, sequencer, **judged)
            elif await queries.delete_dataset_item(session, place.project, key):
                log.info("base_image_removed", project=place.project, key=key)

    async def _forget(self, key: str, place: places.HiddenFile) -> None:
        async with self._make.begin() as session:
            await queries.take_turn(session, key)
            if await queries.delete_dataset_item(session, place.project, key):
                log.info("hidden_base_image_forgotten", project=place.project, key=key)

    async def _judge(self, key: str, place: places.DatasetImage) -> dict[str, str] | None:
        """Keep the image that lies at a key; its hash, or why it is refused. None when it is gone."""
        async with self._make() as session:
            if not await queries.has_project(session, place.project):
                raise errors.InvalidMessage(f"{key}: there is no project {place.project}")
        try:
            body = await self._store.get(key, limit=messages.MAX_IMAGE_BYTES)
            sha256 = storage.digest(body)
            checked = await self._originals.check(body)
        except storage.NoSuchObject:
            return None
        except (storage.TooLarge, decoder.BadImage) as error:
            metrics.IMAGES_REFUSED.labels("undecodable").inc()
            return {"refused": str(error)}
        async with self._make() as session:
            known = await queries.known_images(session, {(place.project, sha256)})
        if not known:
            await self._originals.put(place.project, sha256, body, checked)
        async with self._make.begin() as session:
            row = {"project": place.project, "sha256": sha256, "size": len(body), **asdict(checked)}
            await queries.add_images(session, [row])
        return {"sha256": sha256}


def _blamed(happened: Sequence[ObjectsChanged], failed: Mapping[str, Exception]) -> Iterator[tuple[UUID, Exception]]:
    """The error of each event that has one: of its only object, or of several what is wrong with them."""
    for event in happened:
        match [failed[key] for key, _ in event.objects if key in failed]:
            case []:
                continue
            case [error]:
                yield event.id, error
            case several:
                # One that may come right brings the message back; what is done by then is not done again.
                again = [each for each in several if not isinstance(each, errors.InvalidMessage)]
                yield event.id, again[0] if again else errors.InvalidMessage("; ".join(map(str, several)))
