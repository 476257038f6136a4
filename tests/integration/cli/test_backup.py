import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from strop import app, outbox
from strop.settings import Settings
from strop_cli import backup, backup_objects, backup_tables
from strop_contracts import errors, events, tables
from tests import brokers, deployments, factories, roles

OBJECTS = {
    "bottles/images/aa": b"a picture",
    "bottles/raw_field_data/": b"",  # a placeholder that a console made
    "bottles/labeled_field_data/grün & blau+1/a.jpg": b"a picture",
    "bottles/labeled_field_data/x": b"both a file",
    "bottles/labeled_field_data/x/y": b"and a folder",
}


@pytest.fixture
async def other(template: str, broker: brokers.Address) -> AsyncIterator[Settings]:
    async with deployments.empty(template, broker) as settings:
        yield settings


@pytest.fixture
async def filled(runtime: app.Runtime) -> app.Runtime:
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        for seed in range(3):
            await factories.make_image(session, await factories.make_capture(session, factories.picture(seed)))
        await factories.make_model(session, 1)
        await outbox.add(session, events.ModelApproved(project=factories.PROJECT, model_version=1))
    for key, body in OBJECTS.items():
        await runtime.storage.put(key, body, "image/jpeg")
    return runtime


async def content(runtime: app.Runtime) -> dict[str, tuple[bytes, str]]:
    found = {}
    async for key in runtime.storage.keys(""):
        head = await runtime.storage.head(key)
        assert head
        found[key] = (await runtime.storage.get(key), head.content_type)
    return found


async def test_a_restored_installation_has_every_row_and_object(
    filled: app.Runtime, other: Settings, tmp_path: Path
) -> None:
    done = await backup.backed_up(tmp_path, filled.settings)

    await backup.restored(tmp_path, other)

    again = await backup.backed_up(tmp_path / "again", other)
    assert (done.rows, done.objects, done.bytes) == (again.rows, again.objects, again.bytes)
    for table in backup_tables.all_tables():
        first, second = (
            gzip.decompress((where / each.at / backup.TABLES / f"{table.name}.gz").read_bytes()).splitlines()
            for where, each in ((tmp_path, done), (tmp_path / "again", again))
        )
        assert sorted(first) == sorted(second)
    async with app.runtime(other) as restored:
        assert await content(restored) == {key: (body, "image/jpeg") for key, body in OBJECTS.items()}
        async with restored.sessions.begin() as session:  # numbers go on
            await outbox.add(session, events.ModelApproved(project=factories.PROJECT, model_version=1))
            assert await session.scalar(select(func.count()).select_from(tables.Outbox)) == 2


async def test_a_second_backup_copies_only_what_is_new(filled: app.Runtime, tmp_path: Path) -> None:
    first = await backup.backed_up(tmp_path, filled.settings)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / backup.OBJECTS).rglob("*") if path.is_file()}
    await filled.storage.put("bottles/images/bb", b"another picture")

    second = await backup.backed_up(tmp_path, filled.settings)

    assert second.objects == first.objects + 1
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / backup.OBJECTS).rglob("*") if path.is_file()}
    assert len(after) == len(files) + 1
    assert files.items() <= after.items()


async def test_a_damaged_object_is_named_and_nothing_is_restored(
    filled: app.Runtime, other: Settings, tmp_path: Path
) -> None:
    done = await backup.backed_up(tmp_path, filled.settings)
    items = backup_objects.read(tmp_path / done.at / backup.LIST)
    (item,) = (item for item in items if item.key == "bottles/labeled_field_data/x")
    backup_objects.Blobs(tmp_path / backup.OBJECTS).path(item.sha256).write_bytes(b"altered")

    with pytest.raises(errors.Refused, match=r"damaged.*bottles/labeled_field_data/x"):
        await backup.restored(tmp_path, other)

    async with app.runtime(other) as runtime, roles.arranging(runtime)() as session:
        assert await session.scalar(select(func.count()).select_from(tables.Project)) == 0


async def test_an_installation_with_projects_is_not_replaced(filled: app.Runtime, tmp_path: Path) -> None:
    await backup.backed_up(tmp_path, filled.settings)

    with pytest.raises(errors.Refused, match="has 1 projects"):
        await backup.restored(tmp_path, filled.settings)


async def test_a_backup_of_other_tables_is_refused(filled: app.Runtime, other: Settings, tmp_path: Path) -> None:
    done = await backup.backed_up(tmp_path, filled.settings)
    path = tmp_path / done.at / backup.DONE
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"revision": "0001"}))

    with pytest.raises(errors.Refused, match="revision 0001"):
        await backup.restored(tmp_path, other)


async def test_an_interrupted_backup_is_not_restored(filled: app.Runtime, other: Settings, tmp_path: Path) -> None:
    done = await backup.backed_up(tmp_path, filled.settings)
    (tmp_path / done.at / backup.DONE).unlink()

    with pytest.raises(errors.NotFound, match="no complete backup"):
        await backup.restored(tmp_path, other)
