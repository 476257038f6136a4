"""Who may speak."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels.projects import control as projects
from ingest import enrolment
from strop_contracts import errors, tables
from strop_wire import ids


async def test_a_project_and_its_devices_are_listed_by_name(session: AsyncSession) -> None:
    for project in ("cans", "bottles"):
        await projects.create(session, project)
    for device in ("line-2", "line-1"):
        await enrolment.add_device(session, "bottles", device)

    assert [project.name for project in await projects.projects(session)] == ["bottles", "cans"]
    assert [device.name for device in await enrolment.devices(session, "bottles")] == ["line-1", "line-2"]
    assert not await enrolment.devices(session, "cans")


async def test_a_bad_name_is_refused(session: AsyncSession) -> None:
    await projects.create(session, "bottles")

    for name in ("", "a b", "a/b", "-a", "ä", "+", "a" * 64):
        with pytest.raises(errors.Refused, match="cannot be the name of a project"):
            await projects.create(session, name)
        with pytest.raises(errors.Refused, match="cannot be the name of a device"):
            await enrolment.add_device(session, "bottles", name)


async def test_a_name_can_be_taken_once(session: AsyncSession) -> None:
    await projects.create(session, "bottles")
    await enrolment.add_device(session, "bottles", "line-1")

    with pytest.raises(errors.Refused, match="project bottles exists already"):
        await projects.create(session, "bottles")
    with pytest.raises(errors.Refused, match="device line-1 of project bottles exists already"):
        await enrolment.add_device(session, "bottles", "line-1")


async def test_an_unknown_project_has_no_devices(session: AsyncSession) -> None:
    with pytest.raises(errors.NotFound, match="there is no project cans: create it first"):
        await enrolment.add_device(session, "cans", "line-1")
    with pytest.raises(errors.NotFound, match="there is no project cans"):
        await enrolment.devices(session, "cans")


async def test_a_project_that_a_topic_cannot_hold_takes_no_devices(session: AsyncSession) -> None:
    session.add(tables.Project(name="flowers.v1"))  # the Rekognition API allows such names
    await session.flush()

    with pytest.raises(errors.Refused, match=r"'flowers\.v1' cannot be the name of a project"):
        await enrolment.add_device(session, "flowers.v1", "line-1")


async def test_a_project_that_is_being_deleted_takes_no_devices(session: AsyncSession) -> None:
    session.add(tables.Project(name="flowers", deletion_id=ids.uuid7()))
    await session.flush()

    with pytest.raises(errors.NotFound, match="there is no project flowers"):
        await enrolment.add_device(session, "flowers", "line-1")


async def test_a_removed_device_is_no_longer_listed_and_can_be_added_again(session: AsyncSession) -> None:
    await projects.create(session, "bottles")
    await enrolment.add_device(session, "bottles", "line-1")

    await enrolment.remove_device(session, "bottles", "line-1")

    assert not await enrolment.devices(session, "bottles")
    with pytest.raises(errors.NotFound, match="project bottles has no device line-1"):
        await enrolment.remove_device(session, "bottles", "line-1")
    await enrolment.add_device(session, "bottles", "line-1")


async def test_devices_are_put_into_a_group_and_out_of_it(session: AsyncSession) -> None:
    await projects.create(session, "bottles")
    for device in ("line-1", "line-2", "line-3"):
        await enrolment.add_device(session, "bottles", device)

    await enrolment.set_group(session, "bottles", ["line-2", "line-1"], "paris")
    await enrolment.set_group(session, "bottles", ["line-2"], "")

    found = {row.name: row.device_group for row in await enrolment.devices(session, "bottles")}
    assert found == {"line-1": "paris", "line-2": "", "line-3": ""}


async def test_a_device_that_is_not_enrolled_has_no_group(session: AsyncSession) -> None:
    await projects.create(session, "bottles")
    await enrolment.add_device(session, "bottles", "line-1")

    with pytest.raises(errors.NotFound, match="project bottles has no device line-9"):
        await enrolment.set_group(session, "bottles", ["line-1", "line-9"], "paris")


async def test_an_alias_belongs_to_one_device(session: AsyncSession) -> None:
    await projects.create(session, "bottles")
    await enrolment.add_device(session, "bottles", "line-1", "camera")

    with pytest.raises(errors.Refused, match="line-1 of project bottles has the alias camera"):
        await enrolment.add_device(session, "bottles", "line-2", "camera")
    with pytest.raises(errors.Refused, match="cannot be the name"):
        await enrolment.add_device(session, "bottles", "line-3", "a/b")
