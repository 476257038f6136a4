"""Random histories of a project: announcements, repeats, uploads, S3's events, labels, undos, deliveries in any order and
number, crashes before and after a commit. What must be true is checked after each step, and the accounts at the end.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock
from uuid import UUID

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from console import ledger
from ingest import receiver, rules
from strop import app, outbox
from strop.settings import Settings
from strop_contracts import control, events, keys, tables
from strop_wire import messages
from tests import factories
from tests.integration.crash.world import DEVICES, LABELS, PEOPLE, Loop, World

BODIES = [factories.picture(seed) for seed in range(4)] + [b"this is no image"]
SERVICES = ("ingest", "router", "labeling-queue", "trainer", "deployer")
ONCE = (events.CaptureReceived, events.ImageRequested, events.ImageDeclined, events.ImageStored)
"""Events that may happen once in the life of a capture, however often they are told."""

some = st.integers(0, 50)
devices, people = st.sampled_from(DEVICES), st.sampled_from(PEOPLE)


@contextmanager
def living(settings: Settings) -> Iterator[tuple[World, Loop]]:
    """A world on an empty deployment, and the loop it lives in."""
    loop, leave, opened = asyncio.new_event_loop(), asyncio.Event(), Future[World]()

    async def live() -> None:
        async with app.runtime(settings) as real:
            world = World(real)
            opened.set_result(world)
            await leave.wait()
            world.close()

    with mock.patch.object(receiver, "RETRY", 0):
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        ended = asyncio.run_coroutine_threadsafe(live(), loop)
        try:
            yield opened.result(30), Loop(loop)
        finally:
            loop.call_soon_threadsafe(leave.set)
            ended.result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def run(settings: Settings, bounds: hypothesis.settings) -> None:
    with living(settings) as (world, loop):

        class InThisWorld(Histories):
            def __init__(self) -> None:
                super().__init__(world, loop)

        run_state_machine_as_test(InThisWorld, settings=bounds)
        assert world.overtaken >= {"stored", "drop"}, "these histories are too short to show anything"


class Histories(RuleBasedStateMachine):
    def __init__(self, world: World, loop: Loop) -> None:
        super().__init__()
        self.world, self.run = world, loop.run
        self.said: dict[str, tuple[str, messages.Capture, bytes]] = {}  # capture -> device, announcement, image
        self.final: dict[UUID, str] = {}  # fates that must stand
        self.models = 0

    @initialize()
    def begin(self) -> None:
        self.run(self.world.begin())

    def nth(self, number: int) -> tuple[str, messages.Capture, bytes]:
        return list(self.said.values())[number % len(self.said)]

    @property
    def granted(self) -> list[str]:
        """The captures that may be uploaded."""
        return [id_ for id_, grant in self.world.radio.grants.items() if grant.action == "upload"]

    # --- devices ---

    @rule(
        device=devices,
        image=st.integers(0, len(BODIES) - 1),
        audit=st.booleans(),
        sure=st.booleans(),
        dies=st.booleans(),
    )
    def announce(self, device: str, image: int, audit: bool, sure: bool, dies: bool) -> None:
        best = messages.Prediction("can", 0.8 if sure else 0.55)
        ranked = (best, messages.Prediction("mug", 0.1 if sure else 0.45))
        self.world.doomed = dies
        self.announce_image(device, BODIES[image], audit=audit, predictions=ranked)

    def announce_image(self, device: str, image: bytes, **about: Any) -> None:
        said = factories.announcement(image, **about)
        self.said[said.id] = device, said, image
        self.run(self.world.announce(device, said.dumps(), said.dumps()))

    @precondition(lambda self: self.said)
    @rule(number=some, count=st.integers(1, 3))
    def announce_again(self, number: int, count: int) -> None:
        device, said, _ = self.nth(number)
        self.run(self.world.announce(device, *([said.dumps()] * count)))

    @precondition(lambda self: self.said)
    @rule(number=some, device=devices)
    def announce_something_else_under_a_known_id(self, number: int, device: str) -> None:
        _, said, _ = self.nth(number)
        other = factories.announcement(b"other bytes", id=said.id)
        self.run(self.world.announce(device, other.dumps()))

    @rule(payload=st.sampled_from([b"", b"{", b"[]", b'{"v":2}', b'{"id":"7"}']))
    def say_nonsense(self, payload: bytes) -> None:
        self.run(self.world.announce(DEVICES[0], payload))

    @rule()
    def speak_as_a_stranger(self) -> None:
        self.run(self.world.announce("nobody", factories.announcement(BODIES[0]).dumps()))

    @precondition(lambda self: self.world.radio.grants)
    @rule(number=some, right=st.booleans())
    def upload(self, number: int, right: bool) -> None:
        grants = list(self.world.radio.grants)
        device, said, image = self.said[grants[number % len(grants)]]
        self.run(self.world.bucket.put(keys.upload(factories.announced(said, device)), image if right else image[:-1]))

    @rule(number=some, wrong=st.booleans())
    def upload_again_while_the_upload_is_looked_at(self, number: int, wrong: bool) -> None:
        """Two ingests hear of one object at one moment: both find the image, or one finds others until it gives up."""
        if not self.granted:
            self.announce_image(DEVICES[0], factories.picture(100 + len(self.said)))
            self.go_on()
        if not self.granted:
            return
        device, said, image = self.said[self.granted[number % len(self.granted)]]
        key, bodies = (
            keys.upload(factories.announced(said, device)),
            [image[:-1]] * rules.MAX_ATTEMPTS if wrong else [image],
        )

        async def meanwhile() -> None:
            for body in bodies:
                await self.put_and_deliver(key, body)

        self.world.bucket.meanwhile = meanwhile
        self.run(self.put_and_deliver(key, image))
        self.world.bucket.meanwhile = None
        self.world.overtaken.add(self.world.radio.grants[said.id].action)

    async def put_and_deliver(self, key: str, body: bytes) -> None:
        await self.world.bucket.put(key, body)
        await self.world.deliver("ingest", self.world.endpoint.waiting("ingest")[-1:])

    @precondition(lambda self: self.said)
    @rule(number=some)
    def tell_of_an_object_again(self, number: int) -> None:
        """Also of one that is not there, or not there yet."""
        device, said, _ = self.nth(number)
        self.world.bucket.tell(keys.upload(factories.announced(said, device)))

    @rule(
        key=st.sampled_from(
            [keys.upload(factories.announced(factories.announcement(BODIES[0]))), "odd", "bottles/raw_field_data/a/b"]
        )
    )
    def tell_of_an_unknown_object(self, key: str) -> None:
        self.world.bucket.tell(key)

    @rule()
    def test_event(self) -> None:
        self.world.endpoint.put("ingest", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))

    # --- people ---

    @rule(name=people, label=st.sampled_from([*LABELS, None]), dies=st.booleans())
    def answer(self, name: str, label: str | None, dies: bool) -> None:
        tasks = self.run(self.world.person(name, f"/api/projects/{factories.PROJECT}/tasks/next", {}))
        for task in tasks[:1]:
            self.world.doomed = dies
            given = {"answer": "label", "label": label} if label else {"answer": "unclear"}
            for _ in range(2):  # the page sends again what got no reply
                self.run(self.world.person(name, f"/api/tasks/{task['id']}/answer", given))

    @rule(name=people)
    def undo(self, name: str) -> None:
        self.run(self.world.person(name, "/api/annotations/undo", {"project": factories.PROJECT}))

    @precondition(lambda self: self.world.radio.grants)
    @rule(number=some, label=st.sampled_from(LABELS[:2]), renamed=st.booleans())
    def move_by_hand(self, number: int, label: str, renamed: bool) -> None:
        grants = list(self.world.radio.grants)
        device, said, image = self.said[grants[number % len(grants)]]
        key = keys.labeled(factories.announced(said, device), label)
        self.run(self.world.bucket.put(key.replace(".jpg", " (1).jpg") if renamed else key, image))

    @precondition(lambda self: self.said)
    @rule(number=some)
    def move_back_by_hand(self, number: int) -> None:
        device, said, image = self.nth(number)
        copies = [keys.labeled(factories.announced(said, device), label) for label in LABELS]
        self.run(self.world.bucket.move(copies, keys.upload(factories.announced(said, device)), image))

    # --- services ---

    @rule()
    def go_on(self) -> None:
        """What waits is done in order: histories come further than by chance alone."""
        for service in ("router", "ingest", "labeling-queue"):
            self.run(self.world.relay())
            self.run(self.world.deliver(service, self.world.endpoint.waiting(service)))

    @rule(dies=st.booleans())
    def relay(self, dies: bool) -> None:
        """When it dies, what was sent is sent again."""
        self.world.doomed = dies
        self.run(self.world.relay())

    @rule(service=st.sampled_from(SERVICES), start=some, count=st.integers(1, 4), end=st.sampled_from("aaabc"))
    def deliver(self, service: str, start: int, count: int, end: str) -> None:
        """Messages in any order; the service lives, or dies before its commit, or before its acknowledgement."""
        waiting = self.world.endpoint.waiting(service)
        if chosen := [waiting[(start + 7 * n) % len(waiting)] for n in range(count) if waiting]:
            self.world.doomed, self.world.endpoint.deaf = end == "b", end == "c"
            self.run(self.world.deliver(service, list(dict.fromkeys(chosen))))
            self.world.doomed = self.world.endpoint.deaf = False

    @rule(service=st.sampled_from(SERVICES), start=some)
    def deliver_twice_at_once(self, service: str, start: int) -> None:
        if waiting := self.world.endpoint.waiting(service):
            message = waiting[start % len(waiting)]

            async def twice() -> None:
                await asyncio.gather(*(self.world.deliver(service, [message]) for _ in range(2)))

            self.run(twice())

    @rule(dies=st.booleans())
    def trigger(self, dies: bool) -> None:
        self.world.doomed = dies
        self.run(self.world.trigger())
        self.world.doomed = False

    @precondition(lambda self: self.models < 3)
    @rule(told=st.integers(1, 2))
    def approve(self, told: int) -> None:
        """By the trainer, which may say so twice."""
        self.models += 1
        version = self.models

        async def approved(session: Any) -> None:
            await factories.make_model(session, version)
            for _ in range(told):
                await outbox.add(session, events.ModelApproved(project=factories.PROJECT, model_version=version))

        self.run(self.world.write(approved))

    # --- what must be true ---

    @invariant()
    def all_is_well(self) -> None:
        seen = self.run(self.world.look(_see))
        self.every_capture_is_as_first_announced(seen)
        self.nothing_exists_twice(seen)
        self.a_final_fate_stands_and_a_task_has_its_image(seen)
        # The ground truth is the latest answer that stands.
        assert seen.truths == seen.standing

    def every_capture_is_as_first_announced(self, seen: "Seen") -> None:
        said = {id_: (device, each.sha256) for id_, (device, each, _) in self.said.items()}
        assert {str(row.id): (row.device, row.sha256) for row in seen.captures} == said

    def nothing_exists_twice(self, seen: "Seen") -> None:
        assert not seen.accounts.wrong, seen.accounts
        told: dict[tuple[type, UUID], set[UUID]] = {}
        for body in [*seen.outbox, *(body for _, body in self.world.endpoint.sent)]:
            if '"name"' in body and isinstance(happened := events.loads(body), ONCE):
                told.setdefault((_kind(happened), happened.capture_id), set()).add(happened.id)
        assert all(len(each) == 1 for each in told.values()), told

    def a_final_fate_stands_and_a_task_has_its_image(self, seen: "Seen") -> None:
        assert {id_: seen.fates.get(id_) for id_ in self.final} == self.final
        self.final |= {id_: state for id_, state in seen.fates.items() if state != "granted"}
        assert all(len(said) == 1 for said in self.world.radio.final.values()), self.world.radio.final
        stored = {id_ for id_, state in seen.fates.items() if state == "stored"}
        assert seen.tasks <= stored
        assert {self.said[str(id_)][1].sha256 for id_ in stored} <= seen.images

    def teardown(self) -> None:
        """Let everything come to rest: devices go on announcing, messages come again."""
        if self.said:
            self.run(self._settle())
            self.all_is_well()
            fates = {id_: self.final.get(UUID(id_), "announced") for id_ in self.said}
            found = self.run(self.world.look(lambda session: ledger.look(session, factories.PROJECT, fates)))
            assert found.clean, found
            assert found.captures == found.announced == len(self.said)
        for client in self.world._people.values():
            self.run(client.aclose())

    async def _settle(self) -> None:
        for _ in range(12):
            for id_, (device, said, image) in self.said.items():
                await self.world.announce(device, said.dumps())
                if (grant := self.world.radio.grants.get(id_)) and grant.action == "upload":
                    await self.world.bucket.put(keys.upload(factories.announced(said, device)), image)
            await self.world.relay()
            for service in SERVICES:
                if waiting := self.world.endpoint.waiting(service):
                    await self.world.deliver(service, waiting)
            seen = await self.world.look(_see)
            silent = not seen.outbox and not any(map(self.world.endpoint.waiting, SERVICES))
            if silent and len(seen.fates) == len(self.said) and "granted" not in seen.fates.values():
                return
        # SQS gives up what is left. That may be somebody's move of a file whose capture never was stored, and nothing else.
        left = [events.loads(message.body) for each in SERVICES for message in self.world.endpoint.waiting(each)]
        assert all(
            isinstance(each, events.LabelFiled) and seen.fates.get(each.capture_id) != "stored" for each in left
        ), left


def _kind(happened: events.Event) -> type[events.Event]:
    """A capture is wanted or declined, not both."""
    return events.ImageRequested if isinstance(happened, events.ImageDeclined) else type(happened)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tables say at one moment."""

    captures: list[tables.Capture]
    accounts: control.Ledger
    outbox: list[str]  # bodies of events
    fates: dict[UUID, str]
    tasks: set[UUID]  # captures that have one
    images: set[str]  # hashes
    truths: dict[UUID, str | None]
    standing: dict[UUID, str | None]  # the label of the newest answer that was not taken back, when it is one


async def _see(session: Any) -> Seen:
    given = select(tables.LabelTask.capture_id, tables.Annotation).join(
        tables.Annotation, tables.Annotation.task_id == tables.LabelTask.id
    )
    ordered = given.where(tables.Annotation.undone_at.is_(None)).order_by(tables.Annotation.at, tables.Annotation.id)
    newest = {row[0]: row[1] for row in await session.execute(ordered)}
    return Seen(
        captures=list(await session.scalars(select(tables.Capture))),
        accounts=await ledger.look(session, factories.PROJECT, {}),
        outbox=list(await session.scalars(select(tables.Outbox.body).where(tables.Outbox.reason.is_(None)))),
        fates=dict((await session.execute(select(tables.Upload.capture_id, tables.Upload.state))).all()),
        tasks=set(await session.scalars(select(tables.LabelTask.capture_id))),
        images=set(await session.scalars(select(tables.Image.sha256))),
        truths={each.capture_id: each.label for each in await session.scalars(select(tables.GroundTruth))},
        standing={capture: each.label for capture, each in newest.items() if each.answer == "label"},
    )


def bounded(examples: int, steps: int, *, same: bool) -> hypothesis.settings:
    """With `same`, every run has the same histories."""
    return hypothesis.settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=same,
        database=None,
        phases=[hypothesis.Phase.generate] if same else list(hypothesis.Phase),  # a shorter one is found after minutes
        suppress_health_check=list(hypothesis.HealthCheck),
    )
