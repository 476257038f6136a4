"""Strop without its servers' habits: real handlers on a real database and bucket, while the test decides when a message is
delivered, how often and in which order, and where a service dies.

SQS and the broker are stood in for at their clients' edge: what both promise is "at least once", and no real one can be told
to break every habit beyond that.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus

import httpx
from sqlalchemy import event as sql_event
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from deployer import __main__ as deployer
from ingest import __main__ as ingest
from ingest import grant_publisher, receiver
from labeling_queue import __main__ as labeling_queue
from router import __main__ as router
from strop import app, consumer, mqtt, outbox, sqs, storage
from strop_contracts import events, tables
from strop_wire import messages, topics
from tests import factories, users
from trainer import handlers as trainer_handlers
from trainer import settings as trainer_settings
from trainer import triggers

T = TypeVar("T")

DEVICES = ("line-1", "line-2")
PEOPLE = ("ann", "bob")
LABELS = ("can", "mug", 'd\u00e9j\u00e0 "vu"')
MIN_LABELS = 3


class Loop:
    """The event loop of a world, in a thread of its own: hypothesis calls from a plain one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(60)


class Died(Exception):
    """The service was killed here."""


@dataclass
class Endpoint:
    """The client of SQS. Messages lie here until they are deleted; `deaf`: the next deletion is lost, as by a crash."""

    lying: dict[str, dict[str, sqs.Incoming]] = field(default_factory=dict)  # queue -> receipt -> message
    sent: list[tuple[str, str]] = field(default_factory=list)  # queue, body
    deaf: bool = False
    _numbers: Any = field(default_factory=count)

    async def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - boto's way
        return {"QueueUrl": QueueName}

    async def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self.put(QueueUrl.partition("-")[2], entry["MessageBody"])
        return {}

    async def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        if self.deaf:
            self.deaf = False
            raise Died
        for entry in Entries:
            self.lying[QueueUrl.partition("-")[2]].pop(entry["ReceiptHandle"], None)
        return {}

    async def change_message_visibility(self, **_: Any) -> None:
        """Messages are always visible: any moment may be the one at which one comes again."""

    def put(self, queue: str, body: str) -> None:
        receipt = str(next(self._numbers))
        self.lying.setdefault(queue, {})[receipt] = sqs.Incoming(receipt, body, receipt, 1)
        self.sent.append((queue, body))

    def waiting(self, queue: str) -> list[sqs.Incoming]:
        return list(self.lying.get(queue, {}).values())


@dataclass
class Radio:
    """The broker as ingest sees it: answers to devices are kept here."""

    grants: dict[str, messages.CaptureGrant] = field(default_factory=dict)  # the latest by capture
    final: dict[str, set[str]] = field(default_factory=dict)  # capture -> what was said for good

    async def publish(self, _topic: str, payload: bytes) -> None:
        for grant in messages.Grant.loads(payload).captures:
            self.grants[grant.capture] = grant
            if grant.action != "upload":
                self.final.setdefault(grant.capture, set()).add(grant.action)


class Bucket(storage.Storage):
    """The real bucket, whose events go to our endpoint: of what devices and people put there, and of our own copies.

    `meanwhile` happens once, when a service has just read an object and has done nothing yet about it.
    """

    def __init__(self, real: storage.Storage, endpoint: Endpoint) -> None:
        super().__init__(real._client, real._public, real.bucket)
        self._endpoint = endpoint
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def read(self, key: str, limit: int | None = None, version: str | None = None) -> storage.Content:
        content = await super().read(key, limit, version)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            await meanwhile()
        return content

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        await super().put(key, body, content_type)
        self.tell(key)

    async def copy(self, source: str, target: str) -> None:
        await super().copy(source, target)
        self.tell(target)

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self.tell(key, "ObjectRemoved:Delete")

    async def delete_unchanged(self, key: str, etag: str) -> bool:
        is_deleted = await super().delete_unchanged(key, etag)
        if is_deleted:
            self.tell(key, "ObjectRemoved:Delete")
        return is_deleted

    async def move(self, sources: Iterable[str], target: str, body: bytes) -> None:
        """Move the object at each of these keys, if there is one, as a person does."""
        for source in sources:
            if await self.size(source) is not None:
                await self.put(target, body)
                await self.delete(source)

    def tell(self, key: str, name: str = "ObjectCreated:Put") -> None:
        found = {"key": quote_plus(key, safe="/"), "sequencer": f"{len(self._endpoint.sent):x}"}
        record = {"eventName": name, "s3": {"object": found}}
        self._endpoint.put("ingest", json.dumps({"Records": [record]}))


class _Doomed(Session):
    """Sessions of services that may be killed just before a commit."""


class World:
    def __init__(self, real: app.Runtime) -> None:
        self.endpoint, self.radio = Endpoint(), Radio()
        self.doomed = False  # the next commit of a service does not happen
        self.overtaken: set[str] = set()  # final answers that one ingest gave while another had the image in hand
        self.stop = asyncio.Event()
        self._real = real
        engine = real.sessions.kw["bind"]
        make = async_sessionmaker(engine, expire_on_commit=False, sync_session_class=_Doomed)
        self.bucket = Bucket(real.storage, self.endpoint)
        self.runtime = app.Runtime(real.settings, make, sqs.Queues(self.endpoint, "q"), self.bucket)
        sql_event.listen(_Doomed, "before_commit", self._before_commit)
        self.consumers = {
            **self._ingest(),
            **{name: _reader(each.build(self.runtime)) for name, each in _OTHERS.items()},
            "trainer": self._trainer(),
        }
        self._triggers = triggers.Triggers(
            self.runtime, trainer_settings.Settings(min_labels=MIN_LABELS, debounce=0, cooldown=0)
        )
        self._web = app.web(
            {labeling_queue.NAME: self.runtime}, {labeling_queue.NAME: labeling_queue.build(self.runtime)}
        )
        self._people: dict[str, httpx.AsyncClient] = {}

    def close(self) -> None:
        sql_event.remove(_Doomed, "before_commit", self._before_commit)

    def _ingest(self) -> dict[str, consumer.Consumer]:
        """The consumer of ingest; what devices publish goes to its receiver directly."""
        broker = cast("mqtt.Mqtt", self.radio)
        self.receiver = receiver.Receiver(
            self.runtime.sessions, grant_publisher.GrantPublisher(self.runtime.storage, broker)
        )
        return {"ingest": ingest.Ingest(self.runtime, broker, ["mqtt", "s3"]).readers[0]}

    def _trainer(self) -> consumer.Consumer:
        """The trainer without training: of its events only labels are handled."""
        handle = consumer.Handlers(batch={events.ImageLabeled: trainer_handlers.on_images_labeled})

        def loads(body: str) -> events.Event | None:
            return event if isinstance(event := events.loads(body), events.ImageLabeled) else None

        return consumer.Consumer("trainer", self.runtime.sessions, self.runtime.queues, handle, loads=loads)

    def _before_commit(self, _session: Session) -> None:
        if self.doomed:
            self.doomed = False
            raise Died

    # --- what happens ---

    async def begin(self) -> None:
        """An empty deployment with one project."""
        self.endpoint.lying.clear()
        self.endpoint.sent.clear()
        self.radio.grants.clear()
        self.radio.final.clear()
        self.doomed = self.endpoint.deaf = False
        self.bucket.meanwhile = None
        async with self._real.sessions.begin() as session:
            for table in reversed(tables.Base.metadata.sorted_tables):
                await session.execute(table.delete())
            await factories.make_project(session, devices=DEVICES)
            labels = [{"project": factories.PROJECT, "name": name, "label": name} for name in LABELS]
            session.add_all(tables.FolderLabel(**each, author="ann") for each in labels)
            issued = {name: await users.token(session, name, "api") for name in PEOPLE}
        transport = httpx.ASGITransport(self._web, raise_app_exceptions=False)
        for name, token in issued.items():
            headers = {"Authorization": f"Bearer {token}"}
            self._people[name] = httpx.AsyncClient(transport=transport, base_url="http://strop", headers=headers)

    async def announce(self, device: str, *payloads: bytes) -> None:
        topic = topics.topic(factories.PROJECT, device, "capture")
        batch = [mqtt.Message(topic, payload, mid, 1, 1) for mid, payload in enumerate(payloads)]
        assert await self.receiver.receive(batch, self.stop) == batch

    async def relay(self) -> None:
        await _survive(outbox.relay_once(self.runtime.sessions, self.runtime.queues))

    async def deliver(self, service: str, messages: list[sqs.Incoming]) -> None:
        await _survive(self.consumers[service].take(messages))

    async def person(self, name: str, path: str, body: Any = None) -> Any:
        """What the labeling API answers; None when it refuses, or dies."""
        client = self._people[name]
        answer = await (client.post(path, json=body) if body is not None else client.get(path))
        assert answer.status_code in {200, 204, 404, 409, 500}, answer.text
        return answer.json() if answer.status_code == 200 else None

    async def trigger(self) -> None:
        """Two copies of the trainer look at the same moment."""
        await asyncio.gather(*(_survive(self._triggers.tick()) for _ in range(2)))

    async def look(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        async with self._real.sessions() as session:
            return await question(session)

    async def write(self, change: Callable[[Any], Awaitable[Any]]) -> None:
        async with self._real.sessions.begin() as session:
            await change(session)


_OTHERS: dict[str, Any] = {"router": router, "labeling-queue": labeling_queue, "deployer": deployer}


def _reader(service: app.Service) -> consumer.Consumer:
    """The consumer that a service was wired with."""
    found: Iterable[Any] = (getattr(loop, "__self__", None) for loop in service.loops)
    return next(each for each in found if isinstance(each, consumer.Consumer))


async def _survive(work: Awaitable[Any]) -> None:
    """A supervisor starts a service again that was killed."""
    with suppress(Died):
        await work
