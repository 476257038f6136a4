"""The models that run in this copy of the service. `tick` makes the running models agree with the rows, repeatedly.

The rows are the truth: after a restart, models that are RUNNING get their units again. Each copy of the service keeps
units of its own for every running model, and each state is changed on condition that it still is what it was.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from custom_labels.api import arns
from custom_labels.hosting.pool import Pool
from custom_labels.settings import Settings
from strop import app, loops, storage
from strop_contracts import states
from strop_contracts.tables import ProjectVersion as Version
from strop_edge import disk

log = structlog.get_logger()

LOOK = 0.2
"""Seconds between two looks at the rows."""

USED = 10.0
"""Seconds between two writes of when a model was used."""

ALIVE = (states.VersionStatus.STARTING, states.VersionStatus.RUNNING, states.VersionStatus.STOPPING)


class Damaged(Exception):
    """A file in the bucket is not the one that was registered."""


class HostedModel:
    """One model that runs here, or is about to, from one start to the stop that follows."""

    def __init__(self, row: Version, files: Callable[[Version], Any]) -> None:
        self.row = row  # as of the last look
        self.used: datetime | None = None
        self.units: Pool | None = None
        self.failed: str | None = None
        self._opening = asyncio.create_task(self._open(files))
        self._closing: asyncio.Task[None] | None = None

    async def _open(self, files: Callable[[Version], Any]) -> None:
        """Bring the files, then the units."""
        assert self.row.min_units
        while self.units is None:
            try:
                folder = await files(self.row)
                self.units = Pool(folder, self.row.min_units, self.row.max_units or self.row.min_units)
                self.units.tick()
            except storage.NoSuchObject as error:
                self.failed = f"a file of the model is gone: {error}"
                return
            except Damaged as error:
                self.failed = str(error)
                return
            except Exception:
                log.exception("model_download_failed", version=self.row.name)
                await asyncio.sleep(1)

    @property
    def ready(self) -> bool:
        return self.units is not None and self.units.ready.is_set()

    @property
    def trouble(self) -> str | None:
        """Why the model cannot run."""
        return self.failed or (self.units.failed if self.units else None)

    def close(self) -> bool:
        """Begin to end, once; True when the end is reached."""
        if self._closing is None:
            self._opening.cancel()
            self._closing = asyncio.create_task(self._close())
        return self._closing.done()

    async def _close(self) -> None:
        if self.units:
            await self.units.close()

    async def closed(self) -> None:
        """End, and wait for it."""
        self.close()
        assert self._closing
        await self._closing


class Reconciler:
    """All models that run in this copy of the service."""

    def __init__(self, runtime: app.Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._hosted: dict[UUID, HostedModel] = {}
        self._contents = settings.cache / "files"
        disk.sweep(self._contents)

    async def run(self, stop: asyncio.Event) -> None:
        """Compare with the rows until `stop`, then end the units; the rows stay, and the next start loads the models again."""
        await loops.every(LOOK, self.tick)(stop)
        await asyncio.gather(*(hosted.closed() for hosted in self._hosted.values()))

    def find(self, arn: arns.Arn) -> HostedModel | None:
        """The running model of an ARN, without asking the database; None when it does not run here (yet)."""
        for hosted in self._hosted.values():
            row = hosted.row
            if (row.project, row.name) == (arn.project, arn.name) and arn.fits(row.at):
                return hosted if row.status == states.VersionStatus.RUNNING and hosted.ready else None
        return None

    async def tick(self) -> None:
        async with self._runtime.sessions() as session:
            rows = {row.id: row for row in await session.scalars(select(Version).where(Version.status.in_(ALIVE)))}
        for row in rows.values():
            await self._reconcile(row)
        for gone in self._hosted.keys() - rows.keys():
            if self._hosted[gone].close():
                del self._hosted[gone]

    async def _reconcile(self, row: Version) -> None:
        hosted = self._hosted.get(row.id)
        again = hosted is not None and hosted.row.started_at != row.started_at
        if hosted and (row.status == states.VersionStatus.STOPPING or again):
            hosted.row = row if not again else hosted.row
            if not hosted.close():
                return
            del self._hosted[row.id]
        if row.status == states.VersionStatus.STOPPING:
            await self._move(row, states.VersionStatus.STOPPED)
        elif row.id in self._hosted:
            await self._look_after(self._hosted[row.id], row)
        else:
            self._hosted[row.id] = HostedModel(row, self._files)

    async def _look_after(self, hosted: HostedModel, row: Version) -> None:
        hosted.row = row
        if hosted.units:
            hosted.units.tick()
        if hosted.trouble:
            await self._move(row, states.VersionStatus.FAILED, message=f"The model cannot run: {hosted.trouble}")
        elif row.status == states.VersionStatus.STARTING:
            if hosted.ready:
                await self._move(row, states.VersionStatus.RUNNING, message="The model is running.")
                log.info("model_started", project=row.project, version=row.name)
        else:
            await self._watch_use(hosted, row)

    async def _watch_use(self, hosted: HostedModel, row: Version) -> None:
        """Record the time of the last use, and stop an idle model."""
        assert row.started_at
        limit = self._settings.idle_stop
        known = row.used_at or row.started_at
        used = max(known, hosted.used or known)
        if used - known > timedelta(seconds=min(USED, limit / 4) if limit else USED):
            await self._change(row, used_at=used)
        elif limit and datetime.now(UTC) - used > timedelta(seconds=limit):
            await self._move(
                row, states.VersionStatus.STOPPING, message=f"Stopped by itself: there was no request for {limit:g} s."
            )
            log.info("idle_model_stopped", project=row.project, version=row.name)

    async def _move(self, row: Version, status: str, **values: Any) -> None:
        await self._change(row, status=status, **values)

    async def _change(self, row: Version, **values: Any) -> None:
        """Change a row, unless somebody else changed its status or started it anew meanwhile."""
        same = (Version.id == row.id, Version.status == row.status, Version.started_at == row.started_at)
        async with self._runtime.sessions.begin() as session:
            await session.execute(update(Version).where(*same).values(**values))

    async def _files(self, row: Version) -> Path:
        """Bring the files of a model into the cache, by content, and make its folder of links to them."""
        folder: Path = self._settings.cache / "models" / row.files["model.json"].sha256
        for place in (self._contents, folder):
            place.mkdir(parents=True, exist_ok=True)
        for name, file in row.files.items():
            kept = self._contents / file.sha256
            if not await asyncio.to_thread(disk.has, kept, file.sha256):
                body = await self._runtime.storage.get(file.key)
                if storage.digest(body) != file.sha256:
                    raise Damaged(f"{file.key} is not the file that was registered")
                await asyncio.to_thread(disk.write, kept, body)
            if not ((folder / name).exists() and kept.samefile(folder / name)):
                new = folder / f"{name}.{os.getpid()}.new"
                new.unlink(missing_ok=True)  # of a process that was killed, and had the same number
                os.link(kept, new)
                new.replace(folder / name)
        return folder
