"""Tokens of users: sign-in links, sessions of pages, and those of programs and of the command.

Only hashes of tokens are stored, so a copy of the database permits no sign-in. A token is 256 random bits: one round of
SHA-256 is enough, and the time of an index lookup by hash reveals nothing about it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from fastapi import Request
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import access
from strop_contracts import errors, tables

LIFETIMES = {"once": timedelta(days=1), "session": timedelta(days=30), "api": timedelta(days=90)}
"""By kind: a sign-in link, the cookie that it becomes, the token of a program or of the `strop` command."""


def new(kind: str) -> str:
    """Return a random token, which is not stored."""
    return f"strop_{kind}_{secrets.token_urlsafe(32)}"


async def make(session: AsyncSession, user: str, kind: str, lifetime: timedelta | None = None) -> str:
    """Store a new token for a user, who is created if missing, and return it. The caller commits.

    It expires after `lifetime`, by default that of its kind.
    """
    token = new(kind)
    await session.execute(insert(tables.User).values(name=user).on_conflict_do_nothing())
    await session.execute(delete(tables.Token).where(tables.Token.expires_at < func.now()))
    expires_at = func.now() + (lifetime or LIFETIMES[kind])
    values = {"sha256": _digest(token), "user": user, "kind": kind}
    await session.execute(insert(tables.Token).values(**values, expires_at=expires_at))
    return token


async def register(session: AsyncSession, user: str, token: str) -> None:
    """Store a token that the caller has already, for a user who is created if missing. It does not expire.

    Idempotent; the caller commits. Refused if the token is another user's: it would get the roles of this one.
    """
    await session.execute(insert(tables.User).values(name=user).on_conflict_do_nothing())
    row = insert(tables.Token).values(sha256=_digest(token), user=user, kind="api")
    mine = row.on_conflict_do_update(
        index_elements=[tables.Token.sha256], set_={"kind": "api", "expires_at": None}, where=tables.Token.user == user
    )
    if await session.scalar(mine.returning(tables.Token.user)) is None:
        raise errors.Refused(f"this token belongs to another user, and cannot become that of {user}")


async def user(session: AsyncSession, token: str, kind: str) -> str | None:
    """Return the user of a token; None if it is unknown, expired or of another kind."""
    owner: str | None = await session.scalar(select(tables.Token.user).where(*_valid(token, kind)))
    return owner


async def caller(session: AsyncSession, token: str, kind: str, source: str) -> access.Caller | None:
    """Return the user of a token with their roles; None if it is unknown, expired or of another kind."""
    member = tables.Membership
    rows = await session.execute(
        select(tables.Token.user, member.project, member.role)
        .outerjoin(member, member.user == tables.Token.user)
        .where(*_valid(token, kind))
    )
    found = rows.all()
    roles = {project: role for _, project, role in found if project is not None}
    return access.Caller(found[0][0], source, roles) if found else None


async def delete_one(session: AsyncSession, token: str, kind: str) -> str | None:
    """Delete a token and return its user; None if it is unknown, expired or of another kind. The caller commits."""
    owner: str | None = await session.scalar(
        delete(tables.Token).where(*_valid(token, kind)).returning(tables.Token.user)
    )
    return owner


async def valid(session: AsyncSession) -> Sequence[tables.Token]:
    """Return all tokens that have not expired, by user, the oldest first."""
    wanted = select(tables.Token).where(_unexpired()).order_by(tables.Token.user, tables.Token.at)
    return (await session.scalars(wanted)).all()


async def revoke(session: AsyncSession, user: str) -> int:
    """Delete all tokens, links and sessions of a user and return their number. The caller commits."""
    deleted = delete(tables.Token).where(tables.Token.user == user).returning(tables.Token.sha256)
    return len((await session.scalars(deleted)).all())


async def bearer(session: AsyncSession, request: Request) -> access.Caller | None:
    """Return the caller by the header `Authorization: Bearer TOKEN`; None without a valid one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return await caller(session, token.strip(), "api", "api") if scheme.lower() == "bearer" else None


def _valid(token: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    return tables.Token.sha256 == _digest(token), tables.Token.kind == kind, _unexpired()


def _unexpired() -> ColumnElement[bool]:
    return tables.Token.expires_at.is_(None) | (tables.Token.expires_at > func.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
