"""Enrolment of devices: messages of others are refused. The caller commits."""

from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from ingest import queries
from strop_contracts import errors, tables
from strop_wire import topics


async def add_device(session: AsyncSession, project: str, name: str, alias: str | None = None) -> None:
    """Enrol a device; Refused if its name or alias is invalid or taken, NotFound if the project is unknown."""
    _check_name("device", name)
    if alias is not None:
        _check_name("device", alias)
        if owner := await queries.enrolment.of_alias(session, alias):
            raise errors.Refused(f"device {owner.name} of project {owner.project} has the alias {alias}")
    # A project of the Rekognition API may have a name that no topic can contain.
    _check_name("project", project)
    await require_project(session, project)
    if not await queries.enrolment.add_device(session, project, name, alias):
        raise errors.Refused(f"device {name} of project {project} exists already")


async def remove_device(session: AsyncSession, project: str, name: str) -> None:
    """Refuse messages of a device from now on; NotFound if there is none. Its captures stay, and it can be added again."""
    await require_project(session, project)
    if not await queries.enrolment.remove_device(session, project, name):
        raise errors.NotFound(f"project {project} has no device {name}")


async def set_group(session: AsyncSession, project: str, names: Collection[str], group: str) -> None:
    """Set the group of devices, "" for none; NotFound names the first one that is not enrolled."""
    await require_project(session, project)
    known = await queries.enrolment.set_group(session, project, names, group)
    if missing := sorted(set(names) - known):
        raise errors.NotFound(f"project {project} has no device {missing[0]}")


async def devices(session: AsyncSession, project: str) -> Sequence[tables.Device]:
    """The devices of a project, by name; NotFound when the project is unknown."""
    await require_project(session, project)
    return await queries.enrolment.devices(session, project)


def _check_name(kind: str, name: str) -> None:
    if not topics.valid_name(name):
        raise errors.Refused(
            f"{name!r} cannot be the name of a {kind}: take 1 to 63 letters, digits, hyphens and underscores, "
            "a letter or digit first"
        )


async def require_project(session: AsyncSession, name: str) -> None:
    """Raise NotFound if there is no such project."""
    if not await queries.enrolment.has_project(session, name):
        raise errors.NotFound(f"there is no project {name}: create it first")
