"""Roles of users: granted, listed and withdrawn. The caller commits."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import clearing
from strop_contracts import access, errors, tables
from strop_contracts.states import Role

Member = tables.Membership


async def grant(session: AsyncSession, user: str, role: Role, project: str = access.ALL) -> None:
    """Give a user, who is created if missing, this role in a project or in all; it replaces the one before.

    NotFound if there is no such project; Refused if it would leave no admin.
    """
    if project != access.ALL:
        await _require_project(session, project)
    await session.execute(insert(tables.User).values(name=user).on_conflict_do_nothing())
    row = insert(Member).values(user=user, project=project, role=role)
    await session.execute(row.on_conflict_do_update(index_elements=["user", "project"], set_={"role": role}))
    if project == access.ALL and role is not Role.ADMIN:
        await _require_admin(session)


async def withdraw(session: AsyncSession, user: str, project: str | None = None) -> int:
    """Withdraw a user's role in a project, or all roles; returns their number. Refused if it would leave no admin."""
    chosen = [Member.user == user] if project is None else [Member.user == user, Member.project == project]
    withdrawn = (await session.scalars(delete(Member).where(*chosen).returning(Member.project))).all()
    if access.ALL in withdrawn:
        await _require_admin(session)
    return len(withdrawn)


async def members(session: AsyncSession) -> Sequence[tables.Membership]:
    """Return all memberships, by user and project."""
    return (await session.scalars(select(Member).order_by(Member.user, Member.project))).all()


async def exists(session: AsyncSession, user: str) -> bool:
    """Return whether a user has a role anywhere."""
    return bool(await session.scalar(select(Member.user).where(Member.user == user).limit(1)))


async def _require_project(session: AsyncSession, project: str) -> None:
    """Raise NotFound unless the project exists and is not being deleted; its deletion then waits for this transaction."""
    await clearing.lock(session, project, shared=True)
    deletion = select(tables.Project.deletion_id).where(tables.Project.name == project)
    found = (await session.execute(deletion)).first()
    if found is None or found[0] is not None:
        raise errors.NotFound(f"there is no project {project}")


async def _require_admin(session: AsyncSession) -> None:
    # Two withdrawals at once would each see the other's admin.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("strop: the last admin", 0))))
    admins = select(func.count()).where(Member.project == access.ALL, Member.role == Role.ADMIN)
    if not await session.scalar(admins):
        raise errors.Refused("this would leave no admin of all projects: give another user that role first")
