"""Control routes of users: their roles, their tokens, and the log of what they changed."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import control, members, tokens
from strop_contracts import access, errors, tables
from strop_contracts import control as documents

router = control.routes("labeling-queue")


@router.post("/tokens", status_code=201)
async def create_token(wanted: documents.NewToken, session: control.Session) -> documents.Token:
    """Create a token, which is not shown again. 409 for a user without a role, unless the request gives one."""
    if wanted.role:
        await members.grant(session, wanted.user, wanted.role, wanted.project)
    elif not await members.exists(session, wanted.user):
        raise errors.Refused(f"{wanted.user} has no role yet: repeat the command with --role labeler, or another role")
    lifetime = timedelta(days=wanted.days) if wanted.days else None
    return documents.Token(token=await tokens.make(session, wanted.user, wanted.kind, lifetime))


@router.get("/tokens")
async def show_tokens(session: control.Session) -> list[documents.TokenInfo]:
    """List the tokens, links and sessions that have not expired."""
    return [
        documents.TokenInfo(user=row.user, kind=row.kind, at=row.at, expires_at=row.expires_at)
        for row in await tokens.valid(session)
    ]


@router.post("/tokens/revoke")
async def revoke(wanted: documents.Revocation, session: control.Session) -> documents.Count:
    """Delete all tokens, links and sessions of a user; 404 if there is none."""
    if not (count := await tokens.revoke(session, wanted.user)):
        raise errors.NotFound(f"{wanted.user} has no token")
    return documents.Count(count=count)


@router.get("/users")
async def show_users(session: control.Session) -> list[documents.Membership]:
    """List the roles of all users."""
    return [
        documents.Membership(user=row.user, role=row.role, project=row.project)
        for row in await members.members(session)
    ]


@router.put("/users", status_code=204)
async def grant(wanted: documents.Membership, session: control.Session) -> None:
    """Give a user, who is created if missing, a role in a project or in all; it replaces the one before."""
    await members.grant(session, wanted.user, wanted.role, wanted.project)


@router.post("/users/remove")
async def withdraw(wanted: documents.Withdrawal, session: control.Session) -> documents.Count:
    """Withdraw a user's role in a project, or all of them together with the user's tokens; 404 if there is none."""
    count = await members.withdraw(session, wanted.user, wanted.project)
    if wanted.project is None:
        count += await tokens.revoke(session, wanted.user)
    if not count:
        raise errors.NotFound(f"{wanted.user} has no role {_where(wanted.project)}")
    return documents.Count(count=count)


@router.get("/audit")
async def audit(
    session: control.Session, user: str | None = None, project: str | None = None, limit: int = 50
) -> list[documents.AuditEntry]:
    """List what was changed, or tried, the newest first."""
    return await _entries(session, user, project, min(limit, 10_000))


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


def _where(project: str | None) -> str:
    return (
        "and no token" if project is None else "in all projects" if project == access.ALL else f"in project {project}"
    )
