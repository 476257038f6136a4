"""A project with pictures in S3 and rows as the other services write them."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from strop import app, outbox, storage
from strop_contracts import documents, events, keys, states, tables
from tests import factories, roles
from tests.unit.trainer import lab as shapes
from trainer import datasets, handlers, lease, queries
from trainer.runs import Runs
from trainer.settings import Settings

PROJECT = factories.PROJECT
START = datetime(2026, 1, 1, 8, tzinfo=UTC)


class Lab:
    """One project, one trainer."""

    def __init__(self, runtime: app.Runtime, cache: Path, **settings: Any) -> None:
        self.runtime = runtime
        self.settings = Settings(
            cache=cache, **{"lease": 30, "min_labels": 5, "debounce": 0, "cooldown": 0, **settings}
        )
        self.runs = Runs(runtime, self.settings)
        self._minutes = 0

    async def base(self, labels: tuple[str, ...] = shapes.LABELS, train: int = 6, valid: int = 3) -> None:
        async with roles.arranging(self.runtime).begin() as session:
            for label in labels:
                for seed in range(train + valid):
                    split = "train" if seed < train else "valid"
                    sha256 = await self.store(shapes.picture(label, seed))
                    key = f"{PROJECT}/datasets/base/{split}/{label}/{seed}.jpg"
                    session.add(
                        tables.DatasetItem(
                            project=PROJECT, key=key, dataset="base", split=split, label=label, sha256=sha256
                        )
                    )

    async def store(self, body: bytes) -> str:
        sha256 = storage.digest(body)
        await self.runtime.storage.put(keys.image(PROJECT, sha256), body)
        return sha256

    async def label(self, label: str | None, body: bytes, **columns: Any) -> tables.Capture:
        """A capture whose image is stored and labelled, a minute after the one before, and the event about it."""
        await self.store(body)
        self._minutes += 1
        made = factories.capture(body, **{"phash": f"{random.Random(body).getrandbits(64):016x}", **columns})
        await self.write_truth(made, label, START + timedelta(minutes=self._minutes))
        about = {"project": made.project, "capture_id": made.id, "device": made.device, "author": "ann"}
        async with self.runtime.sessions.begin() as session:
            await handlers.on_images_labeled([events.ImageLabeled(**about, label=label)], session)
        return made

    async def write_truth(self, capture: tables.Capture, label: str | None, at: datetime) -> None:
        """Write a labelled capture as other services do, without an event."""
        about = {"capture_id": capture.id, "device": capture.device, "sha256": capture.sha256}
        truth = tables.GroundTruth(**about, project=capture.project, label=label, author="ann", at=at)
        async with roles.arranging(self.runtime).begin() as session:
            session.add_all([capture, truth])

    async def draft(self, items: Sequence[documents.Item], run: tables.TrainingRun) -> tables.DatasetVersion:
        """Make a dataset version of these images for an attempt of the run."""
        async with self.runtime.sessions.begin() as session:
            row, manifest = await datasets.draft(session, run, items)
        await self.runtime.storage.put(row.key, manifest)
        async with self.runtime.sessions.begin() as session:
            session.add(row)
        return row

    async def field(self, label: str, count: int = 6, audits: int = 5) -> None:
        for seed in range(100, 100 + count + audits):
            await self.label(label, shapes.picture(label, seed), audit=seed >= 100 + count)

    async def ask(self) -> events.TrainingRequested:
        """Ask for a run, whatever there is to learn from."""
        async with self.runtime.sessions.begin() as session:
            run = await queries.request(session, PROJECT, states.RunTrigger.MANUAL)
            assert run
            asked = events.TrainingRequested(project=PROJECT, run_id=run)
            await outbox.add(session, asked)
        return asked

    async def train(self) -> tables.TrainingRun:
        asked = await self.ask()
        await self.runs.carry_out(asked)
        return await self.run(asked.run_id)

    async def run(self, run_id: UUID) -> tables.TrainingRun:
        async with roles.arranging(self.runtime)() as session:
            return await session.get_one(tables.TrainingRun, run_id)

    async def all(self, table: Any) -> list[Any]:
        async with roles.arranging(self.runtime)() as session:
            return list(await session.scalars(select(table)))

    async def announced(self, name: str) -> list[dict[str, Any]]:
        """Bodies of the events of this name in the outbox."""
        letters = [json.loads(row.body) for row in await self.all(tables.Outbox)]
        return [letter["body"] for letter in letters if letter["name"] == name]

    async def keys(self, prefix: str) -> set[str]:
        return {key async for key in self.runtime.storage.keys(f"{PROJECT}/{prefix}")}


async def take_over(lab, run_id):
    """Let the lease of a run expire, and take the run as another trainer."""
    async with roles.arranging(lab.runtime).begin() as session:
        past = {"leased_until": datetime.now(UTC) - timedelta(seconds=1)}
        await session.execute(update(tables.TrainingRun).where(tables.TrainingRun.id == run_id).values(past))
    return await lease.take(lab.runtime.sessions, run_id, 60)
