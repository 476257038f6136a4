"""Base images that are removed, moved and written again: rows follow the bucket in whatever order its events come."""

import itertools
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import answers, objects
from strop import app, mqtt, storage
from strop_contracts import keys, tables
from tests import factories, roles, wait
from tests.integration.ingest.bucket import BODY, appear

pytestmark = pytest.mark.usefixtures("enrolled")

CAT, DOG = (f"bottles/datasets/base/train/{label}/1.jpg" for label in ("cat", "dog"))
OTHER = factories.picture(2)


async def rows(session: AsyncSession) -> dict[str, str | None]:
    """The hash of each base image by its key."""
    await session.rollback()
    return {item.key: item.sha256 for item in await session.scalars(select(tables.DatasetItem))}


@pytest.fixture
async def taken(runtime: app.Runtime, enrolled: None, files: objects.Objects) -> None:
    """One base image, under cat."""
    await runtime.storage.put(CAT, BODY)
    await appear(files, CAT)


@pytest.mark.usefixtures("taken")
async def test_a_base_image_that_is_removed_is_forgotten(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    await runtime.storage.delete(CAT)

    await appear(files, CAT, sequencer="02")
    await appear(files, CAT, sequencer="02")

    assert await rows(session) == {}
    assert await runtime.storage.size(keys.image("bottles", storage.digest(BODY)))


async def test_a_row_of_a_file_whose_name_is_hidden_is_deleted_while_the_file_is_there(
    runtime: app.Runtime, enrolled: None, files: objects.Objects, session: AsyncSession
) -> None:
    key = "bottles/datasets/base/train/lost+found/1.jpg"
    await runtime.storage.put(key, BODY)
    async with roles.arranging(runtime).begin() as writing:
        item = {"project": "bottles", "dataset": "base", "split": "train", "label": "lost+found"}
        writing.add(tables.DatasetItem(key=key, refused="not looked at", **item))

    await appear(files, key)

    assert await rows(session) == {}


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("order", sorted(set(itertools.permutations(["03 dog", "04 cat", "01 cat", "03 dog"]))))
async def test_a_move_replaces_in_any_order_of_its_events(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, order: tuple[str, ...]
) -> None:
    """A copy to dog, the removal from cat, and both the first event and a duplicate come late."""
    await runtime.storage.copy(CAT, DOG)
    await runtime.storage.delete(CAT)

    for sequencer, label in map(str.split, order):
        await appear(files, {"cat": CAT, "dog": DOG}[label], sequencer=sequencer)

    assert await rows(session) == {DOG: storage.digest(BODY)}


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("order", [("02", "03"), ("03", "02"), ("03", "02", "03", "01")])
async def test_a_file_removed_and_written_again_is_the_new_one(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, order: tuple[str, ...]
) -> None:
    await runtime.storage.delete(CAT)
    await runtime.storage.put(CAT, OTHER)

    for sequencer in order:
        await appear(files, CAT, sequencer=sequencer)

    assert await rows(session) == {CAT: storage.digest(OTHER)}


@pytest.mark.usefixtures("taken")
async def test_a_late_event_does_not_make_a_place_newer(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession
) -> None:
    before = await runtime.storage.head(CAT)

    await appear(files, CAT, sequencer="0C")
    await appear(files, CAT, sequencer="A")

    (item,) = await session.scalars(select(tables.DatasetItem))
    assert before
    assert (item.placed_at, item.sequencer.lstrip("0")) == (before.modified, "c")


async def test_a_removal_in_a_project_that_is_gone_is_nothing(files: objects.Objects, session: AsyncSession) -> None:
    await appear(files, CAT.replace("bottles", "gone"))

    assert await rows(session) == {}


class Interrupted(storage.Storage):
    """The bucket, which something happens to just after an object was read."""

    def __init__(self, real: storage.Storage, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(real._client, real._public, real.bucket)
        self._meanwhile = meanwhile

    async def get(self, key: str, limit: int | None = None, version: str | None = None) -> bytes:
        body = await super().get(key, limit, version)
        await self._meanwhile()
        return body


@pytest.mark.parametrize("written", [None, OTHER])
async def test_an_event_that_is_overtaken_while_it_is_handled_writes_nothing_old(
    runtime: app.Runtime, files: objects.Objects, session: AsyncSession, written: bytes | None
) -> None:
    async def overtake() -> None:
        await runtime.storage.delete(CAT)
        if written:
            await runtime.storage.put(CAT, written)
        await appear(files, CAT, sequencer="02")

    bucket = Interrupted(runtime.storage, overtake)
    broker = mqtt.Mqtt(runtime.settings.mqtt_url, "away")
    slow = objects.Objects(runtime.sessions, bucket, answers.Answers(bucket, broker))
    await runtime.storage.put(CAT, BODY)

    await appear(slow, CAT, sequencer="01")

    assert await rows(session) == ({CAT: storage.digest(written)} if written else {})


@pytest.mark.usefixtures("ingest")
async def test_the_bucket_notifies_of_removals(runtime: app.Runtime) -> None:
    async def known() -> set[str]:
        async with roles.arranging(runtime)() as session:
            return set(await rows(session))

    await runtime.storage.put(CAT, BODY)
    await runtime.storage.put(DOG, OTHER)
    await wait.until(lambda: _equal(known, {CAT, DOG}))

    await runtime.storage.delete(CAT)

    await wait.until(lambda: _equal(known, {DOG}))


async def _equal(found: Callable[[], Awaitable[set[str]]], expected: set[str]) -> bool:
    return await found() == expected
