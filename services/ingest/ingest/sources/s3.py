"""Notifications of the bucket, which S3 sends to ingest's queue itself: at least once, in any order, without an id."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import structlog

from ingest import bucket_sweep, grant_publisher, object_changes, object_keys
from ingest.sources import base
from strop import app, traces
from strop_contracts import errors, events

log = structlog.get_logger()

_REMOVED = ("ObjectRemoved:", "LifecycleExpiration:")


class S3Source:
    """Reads the notifications; the queue is its connection."""

    def __init__(self, runtime: app.Runtime, grants: grant_publisher.GrantPublisher) -> None:
        self._changes = object_changes.ObjectChanges(runtime.sessions, runtime.storage, grants)
        self._sweep = bucket_sweep.BucketSweep(runtime)

    def ready(self) -> bool:
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Look for objects whose notification was lost; the consumer of ingest's queue handles notifications."""
        await self._sweep.run(stop)

    @staticmethod
    def owns(body: Mapping[str, Any]) -> bool:
        return "Records" in body or body.get("Event") == "s3:TestEvent"

    @staticmethod
    def read(body: Mapping[str, Any]) -> object_changes.ObjectsChanged | None:
        """Read a notification; None for S3's test message and for objects that ingest ignores."""
        try:
            records = [record for record in body.get("Records", ()) if _concerns(record)]
            objects = tuple(map(_object, records))
        except (KeyError, TypeError, AttributeError) as error:
            raise errors.InvalidMessage(f"not a notification of S3: {type(error).__name__}: {error}") from error
        if not objects:
            return None
        key, _ = objects[0]
        project = key.partition("/")[0]
        return object_changes.ObjectsChanged(project=project, objects=objects, trace=_trace(key), at=_time(records[0]))

    def handlers(self) -> Mapping[type[events.Event], base.Handle]:
        return {object_changes.ObjectsChanged: self._changes.on_objects_changed}


def _concerns(record: dict[str, Any]) -> bool:
    """Whether ingest handles the event: not those of `images/`, which ingest writes itself, nor of hidden files.

    Of removals those of base data sets count, and those of copies with a label: the copy may have been moved back. A hidden
    file may have a row from before its name counted as hidden.
    """
    name, (key, _) = record["eventName"], _object(record)
    try:
        named = object_keys.parse(key)
    except errors.InvalidMessage:  # raised again when it is handled
        return "ObjectCreated:" in name
    if "ObjectCreated:" in name:
        if is_hidden := object_keys.is_hidden(key):
            log.info("hidden_object_ignored", key=key)
        return named is not None and not is_hidden
    counted = isinstance(named, object_keys.DatasetImage | object_keys.HiddenFile | object_keys.LabeledImage)
    return counted and any(kind in name for kind in _REMOVED)


def _object(record: dict[str, Any]) -> object_changes.Object:
    described = record["s3"]["object"]
    return unquote_plus(described["key"]), str(described.get("sequencer", ""))


def _trace(key: str) -> str | None:
    """Return the trace of the capture that a key names."""
    with suppress(errors.InvalidMessage):  # raised again when it is handled
        if capture := getattr(object_keys.parse(key), "capture", None):
            return traces.of_capture(capture)
    return None


def _time(record: dict[str, Any]) -> datetime:
    """Return the time of the event; now if it is missing, malformed or in the future."""
    now = datetime.now(UTC)
    with suppress(KeyError, ValueError, TypeError):  # a time without a zone cannot be compared: TypeError
        return min(now, datetime.fromisoformat(record["eventTime"]))
    return now
