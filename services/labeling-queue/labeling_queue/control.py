"""Control routes of users: their roles, their tokens, and the log of what they changed; and of labels that wait for a decision."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import labels, queries
from strop import control, members, tokens
from strop_contracts import access, errors, tables
from strop_contracts import control as documents
from strop_contracts.states import Role

router = control.routes("labeling-queue")

User = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/tokens")
async def show_tokens(session: control.Session) -> list[documents.TokenInfo]:
    """List the tokens, links and sessions that have not expired."""
    return [
        documents.TokenInfo(user=row.user, kind=row.kind, at=row.at, expires_at=row.expires_at)
        for row in await tokens.valid(session)
    ]


@router.get("/users")
async def show_users(session: control.Session) -> list[documents.Membership]:
    """List the roles of all users."""
    return [
        documents.Membership(user=row.user, role=row.role, project=row.project)
        for row in await members.members(session)
    ]


@router.put("/users/{user}/roles/{project}/{role}", status_code=204)
async def grant(user: User, project: str, role: Role, session: control.Session) -> None:
    """Give a user, who is created if missing, a role in a project or in all; it replaces the one before."""
    await members.grant(session, user, role, project)


@router.delete("/users/{user}/roles/{project}", status_code=204)
async def withdraw(user: str, project: str, session: control.Session) -> None:
    """Withdraw a user's role in a project, or that in all; 404 if there is none."""
    if not await members.withdraw(session, user, project):
        raise errors.NotFound(f"{user} has no role {'in all projects' if project == access.ALL else f'in {project}'}")


@router.delete("/users/{user}", status_code=204)
async def remove(user: str, session: control.Session) -> None:
    """Withdraw all roles of a user, and delete all tokens, links and sessions; 404 if there is none."""
    if not await members.withdraw(session, user) + await tokens.revoke(session, user):
        raise errors.NotFound(f"{user} has no role and no token")


@router.post("/users/{user}/tokens", status_code=201)
async def create_token(user: User, wanted: documents.NewToken, session: control.Session) -> documents.Token:
    """Create a token, which is not shown again. 409 for a user without a role."""
    if not await members.exists(session, user):
        raise errors.Refused(f"{user} has no role yet: repeat the command with --role labeler, or another role")
    lifetime = timedelta(days=wanted.days) if wanted.days else None
    return documents.Token(token=await tokens.make(session, user, wanted.kind, lifetime))


@router.delete("/users/{user}/tokens")
async def revoke(user: str, session: control.Session) -> documents.Count:
    """Delete all tokens, links and sessions of a user; 404 if there is none."""
    if not (count := await tokens.revoke(session, user)):
        raise errors.NotFound(f"{user} has no token")
    return documents.Count(count=count)


@router.get("/projects/{project}/labels")
async def show_labels(project: str, session: control.Session) -> documents.Labels:
    """List the labels of a project, and the names of folders that wait for a decision."""
    await queries.require_project(session, project)
    return documents.Labels(labels=await labels.all_(session, project), waiting=await labels.waiting(session, project))


@router.post("/projects/{project}/labels")
async def decide_label(
    project: str, decision: documents.LabelDecision, caller: control.Caller, session: control.Session
) -> documents.Count:
    """Decide what the name of a folder stands for; returns how many images waited. 404 if none does, 409 for an unknown label."""
    await queries.require_project(session, project)
    count = await labels.decide(session, project, decision.name, decision.label, caller.name)
    return documents.Count(count=count)


@router.get("/audit")
async def audit(
    session: control.Session,
    user: str | None = None,
    project: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
) -> list[documents.AuditEntry]:
    """List what was changed, or tried, the newest first."""
    return await _entries(session, user, project, limit)


async def _entries(
    session: AsyncSession, user: str | None, project: str | None, limit: int
) -> list[documents.AuditEntry]:
    log = tables.AuditEntry
    wanted = select(log).order_by(log.at.desc(), log.id.desc()).limit(limit)
    if user is not None:
        wanted = wanted.where(log.user == user)
    if project is not None:
        wanted = wanted.where(log.project == project)
    return [documents.AuditEntry.model_validate(row, from_attributes=True) for row in await session.scalars(wanted)]
