"""Tells devices what became of their captures, and where the files of a model are.

An answer is told after the commit and may get lost: the device then announces, or asks, again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

import structlog

from ingest import rules
from strop import mqtt, storage
from strop_contracts import states, tables
from strop_wire import messages, topics

log = structlog.get_logger()


class Answers:
    """Publishes `grant` messages with presigned addresses."""

    def __init__(self, store: storage.Storage, broker: mqtt.Mqtt) -> None:
        self._store = store
        self._broker = broker

    async def captures(
        self,
        pairs: Iterable[tuple[tables.Capture, tables.Upload]],
        unknown: Iterable[tuple[rules.Device, UUID]] = (),
    ) -> None:
        """Answer captures from their rows, several of one device in one message; what is unknown is of no use."""
        grants: dict[rules.Device, list[messages.CaptureGrant]] = {}
        for device, id_ in unknown:
            grants.setdefault(device, []).append(messages.CaptureGrant(str(id_), "drop", reason="unknown"))
        for capture, upload in pairs:
            grants.setdefault((capture.project, capture.device), []).append(await self._grant(capture, upload))
        told = [(device, packed) for device, group in grants.items() for packed in rules.pack(group)]
        await asyncio.gather(*(self._publish(device, messages.Grant(captures=packed)) for device, packed in told))

    async def files(self, device: rules.Device, files: Sequence[tables.ModelFile]) -> None:
        granted = [
            messages.FileGrant(file.sha256, file.size, await self._store.presign_get(file.key)) for file in files
        ]
        await self._publish(device, messages.Grant(files=tuple(granted)))

    async def _grant(self, capture: tables.Capture, upload: tables.Upload) -> messages.CaptureGrant:
        if upload.state == states.UploadState.GRANTED:
            assert upload.key, "a granted upload has a place to go to"
            signed = await self._store.presign_put(upload.key, capture.sha256, capture.size, capture.content_type)
            return messages.CaptureGrant(str(capture.id), "upload", signed.url, signed.headers)
        if upload.state == states.UploadState.DROPPED:
            return messages.CaptureGrant(str(capture.id), "drop", reason=upload.reason)
        return messages.CaptureGrant(str(capture.id), "stored")

    async def _publish(self, device: rules.Device, grant: messages.Grant) -> None:
        try:
            await self._broker.publish(topics.topic(*device, "grant"), grant.dumps())
        except (mqtt.NotConnected, TimeoutError) as error:
            log.warning("grant not delivered", project=device[0], device=device[1], error=repr(error))
