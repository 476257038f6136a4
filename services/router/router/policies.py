"""The versions of a project's policy. The `strop` command sets them; the caller commits."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from router import queries, rules
from strop_contracts import errors, tables


async def newest(session: AsyncSession, project: str) -> tuple[int, rules.Policy]:
    """Version and content of the policy that counts: version 0, the defaults, until one is set."""
    table = tables.Policy
    wanted = select(table).where(table.project == project).order_by(table.version.desc()).limit(1)
    found = await session.scalar(wanted)
    return (found.version, rules.Policy.model_validate(found.body)) if found else (0, rules.Policy())


async def require_project(session: AsyncSession, name: str) -> None:
    """Raise NotFound if there is no such project."""
    if await session.get(tables.Project, name) is None:
        raise errors.NotFound(f"there is no project {name}: `strop projects create {name}` creates it")


async def set_policy(session: AsyncSession, project: str, changes: Mapping[str, Any]) -> int:
    """Make a new version of the policy, with these values changed; returns its number.

    NotFound when there is no such project, Refused when a value is wrong.
    """
    await require_project(session, project)
    await queries.lock(session, project, "policy")
    version, policy = await newest(session, project)
    session.add(tables.Policy(project=project, version=version + 1, body=rules.changed(policy, changes).model_dump()))
    return version + 1
