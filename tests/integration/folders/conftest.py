"""The services that folders meet, at work on a real bucket with real notifications, and a person with the AWS CLI."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ingest import __main__ as ingest
from ingest.sources import mqtt as mqtt_source
from labeling_queue import __main__ as labeling_queue
from strop import app
from strop.settings import Settings
from strop_contracts import keys, tables
from tests import device, factories, roles, wait, walkthrough

LABELS = ("can", "mug", "water bottle")


@dataclass(frozen=True, slots=True)
class Person:
    """Works in a local folder, and copies it with the AWS CLI."""

    folder: Path
    runtime: app.Runtime

    @property
    def bucket(self) -> str:
        return f"s3://{self.runtime.settings.bucket}/{factories.PROJECT}"

    async def aws(self, command: str) -> str:
        """Run `aws s3 …` in the folder; `BUCKET` stands for the project's place."""
        argv = [
            str(walkthrough.AWSCLI / "aws"),
            "s3",
            *(part.replace("BUCKET", self.bucket) for part in command.split()),
        ]
        done = await asyncio.to_thread(
            subprocess.run, argv, check=False, cwd=self.folder, env=self._env(), capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def _env(self) -> dict[str, str]:
        own = {"AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL_S3"], "LC_ALL": "C.UTF-8"}
        given = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **given, **own}

    async def labels(self) -> dict[str, str]:
        """Return the label of each image by its content, as far as they have one."""
        async with roles.arranging(self.runtime)() as session:
            rows = await session.execute(select(tables.GroundTruth.sha256, tables.GroundTruth.label))
            return {sha256: label for sha256, label in rows if label}

    async def places(self, folder: str) -> list[str]:
        """Return the files of the project below a folder of the bucket, without the names that Strop makes."""
        prefix = keys.below(factories.PROJECT, folder)
        return [key.removeprefix(prefix) async for key in self.runtime.storage.keys(prefix)]

    async def settled(self) -> bool:
        """Whether nothing is under way: no event, no message and no copy."""
        queues = ("ingest", "ingest-images", "labeling-queue")
        waiting = [await self.runtime.queues.depth(name) for name in queues]
        async with roles.arranging(self.runtime)() as session:
            unsent = await session.scalar(select(func.count()).select_from(tables.Outbox))
            due = await session.scalar(select(func.count()).where(tables.LabelTask.copy_due_at.is_not(None)))
        return not any(waiting) and not unsent and not due


@pytest.fixture
async def person(
    runtime: app.Runtime, settings: Settings, stop: asyncio.Event, tmp_path: Path
) -> AsyncIterator[Person]:
    """A project with the labels above. The services are ingest and labeling-queue."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        decided = [
            tables.FolderLabel(project=factories.PROJECT, name=each, label=each, author="ada") for each in LABELS
        ]
        session.add_all(decided)
    builds = {each.NAME: each.build for each in (ingest, labeling_queue)}
    ready = asyncio.Event()
    serving = asyncio.create_task(app.serve(settings, builds, stop=stop, ready=ready))
    async with asyncio.timeout(wait.PATIENCE):
        await ready.wait()
    yield Person(tmp_path, runtime)
    stop.set()
    await serving
    await device.forget(settings.mqtt_url, mqtt_source.client_id(settings))


Write = Callable[[str, int], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the image of a seed into a file; returns its hash."""

    def one(path: str, seed: int) -> str:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(factories.picture(seed))
        return str(factories.capture(factories.picture(seed)).sha256)

    return one
