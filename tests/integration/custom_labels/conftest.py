"""The service on a free port with real boto3 clients, which talk to it from threads."""

import asyncio
import functools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from custom_labels import __main__ as main
from custom_labels.settings import Settings
from strop import app, outbox, storage
from tests import factories, wait


@pytest.fixture
def runs_as() -> str:
    return "custom-labels"


Source = dict[str, Any]
"""A DatasetSource."""


class Rekognition:
    """A boto3 client whose methods can be awaited: `await rekognition.create_project(ProjectName="flowers")`."""

    def __init__(self, url: str, **options: Any) -> None:
        config = Config(retries={"total_max_attempts": 1}, **options.pop("config", {}))
        self.url = url
        self.client = boto3.Session().client("rekognition", endpoint_url=url, config=config, **options)

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        return functools.partial(asyncio.to_thread, getattr(self.client, operation))

    async def fails(self, operation: str, **request: Any) -> str:
        """Call an operation that shall fail; returns "Code: message"."""
        with pytest.raises(ClientError) as caught:
            await getattr(self, operation)(**request)
        error = caught.value.response["Error"]
        assert caught.value.response["ResponseMetadata"]["RequestId"]
        return f"{error['Code']}: {error['Message']}"

    async def settled(self, dataset: str) -> dict[str, Any]:
        """Wait until a data set has been changed; returns its description."""

        async def done() -> dict[str, Any] | None:
            found = (await self.describe_dataset(DatasetArn=dataset))["DatasetDescription"]
            return None if found["Status"].endswith("IN_PROGRESS") else dict(found)

        return await wait.until(done)

    async def dataset(self, project: str, source: Source, kind: str = "TRAIN") -> tuple[str, dict[str, Any]]:
        """Create a data set and wait for it; returns its ARN and description."""
        made = await self.create_dataset(ProjectArn=project, DatasetType=kind, DatasetSource=source)
        return made["DatasetArn"], await self.settled(made["DatasetArn"])

    async def entries(self, dataset: str, **filters: Any) -> list[dict[str, Any]]:
        """The first page of a data set's lines, read."""
        answer = await self.list_dataset_entries(DatasetArn=dataset, **filters)
        return [json.loads(entry) for entry in answer["DatasetEntries"]]


@dataclass(frozen=True)
class Hosted:
    """The running service."""

    service: app.Service
    url: str
    key_id: str  # who may ask

    def client(self, **options: Any) -> Rekognition:
        return Rekognition(self.url, **options)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of models that run go where they are cleared away."""
    monkeypatch.setenv("STROP_CUSTOM_LABELS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
async def hosted(runtime: app.Runtime) -> AsyncIterator[Hosted]:
    """Run the service as `strop up` does: HTTP, loops and relay."""
    service = main.build(runtime)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app.web({main.NAME: runtime}, {main.NAME: service}), log_config=None, lifespan="off")
        server = app._Server(config)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve([listening]))
            loops = [group.create_task(loop(stop)) for loop in service.loops]
            loops.append(group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02)))
            async with asyncio.timeout(wait.PATIENCE):
                while not server.started:
                    await asyncio.sleep(0.01)
            (key_id,) = Settings().secrets()
            yield Hosted(service, f"http://127.0.0.1:{listening.getsockname()[1]}", key_id)
            stop.set()
            server.should_exit = True
            await serving


@pytest.fixture
def rekognition(hosted: Hosted) -> Rekognition:
    """A client with the key pair of the environment."""
    return hosted.client()


@pytest.fixture
async def project(rekognition: Rekognition) -> str:
    """The ARN of a project named flowers."""
    return str((await rekognition.create_project(ProjectName="flowers"))["ProjectArn"])


class Bucket:
    """A bucket of the caller's, with images and manifests."""

    def __init__(self, store: storage.Storage) -> None:
        self._store = store
        self.name = store.bucket

    async def put(self, key: str, body: bytes) -> None:
        await self._store.put(key, body)

    async def get(self, key: str) -> bytes:
        return await self._store.get(key)

    def text(self, key: str, label: str | None, **changes: Any) -> str:
        """The manifest line of an image; `changes` replace what its metadata says."""
        line: dict[str, Any] = {"source-ref": f"s3://{self.name}/{key}"}
        if label is not None:
            metadata = {
                "class-name": label,
                "confidence": 1,
                "human-annotated": "yes",
                "creation-date": "2026-11-22T08:00:00.000",
                "type": "groundtruth/image-classification",
            }
            line |= {"kind": 0, "kind-metadata": metadata | changes}
        return json.dumps(line)

    async def line(self, key: str, label: str | None, seed: int = 0) -> str:
        """Put an image and return its line."""
        await self.put(key, factories.picture(seed, (80, 64)))
        return self.text(key, label)

    async def manifest(self, lines: Iterable[str], key: str = "train.manifest") -> Source:
        """Put a manifest and return the DatasetSource that names it."""
        await self.put(key, "\n".join(lines).encode())
        return {"GroundTruthManifest": {"S3Object": {"Bucket": self.name, "Name": key}}}


@pytest.fixture
async def bucket(runtime: app.Runtime) -> Bucket:
    store = runtime.storage.at(f"{runtime.storage.bucket}-theirs")
    await store._client.create_bucket(Bucket=store.bucket, **store._location())
    return Bucket(store)
