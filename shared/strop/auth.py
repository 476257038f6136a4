"""Who is asking: one-time sign-in links become a session cookie, programs send a Bearer token.

Only hashes of tokens are kept, so a copy of the database signs nobody in. A token is 256 random bits: one round of
SHA-256 is enough, and looking a hash up in an index tells an attacker nothing about it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop.settings import Settings
from strop_contracts import tables

LIFETIMES: dict[str, timedelta | None] = {
    "once": timedelta(days=1),
    "session": timedelta(days=30),
    "api": None,
    "operator": None,
}
"""Kinds of tokens: a sign-in link, the cookie it becomes, a program's for labels, and an operator's for the control API too."""

HINT = (
    "Sign in: open a sign-in link in the browser and press its button, or send the header `Authorization: Bearer TOKEN`; "
    "`strop token create NAME` makes either."
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, and through what: "page" (the cookie) or "api" (a Bearer token), which may be an operator's."""

    name: str
    source: str
    operator: bool = False


def new_token(kind: str) -> str:
    """Return a random token, which is not stored."""
    return f"strop_{kind}_{secrets.token_urlsafe(32)}"


async def register(session: AsyncSession, user: str, token: str) -> None:
    """Store an operator's token that the caller has already, for a user who is created if missing. Idempotent; the caller commits."""
    await session.execute(insert(tables.User).values(name=user).on_conflict_do_nothing())
    row = insert(tables.Token).values(sha256=_digest(token), user=user, kind="operator")
    await session.execute(
        row.on_conflict_do_update(index_elements=[tables.Token.sha256], set_={"user": user, "kind": "operator"})
    )


async def make_token(session: AsyncSession, user: str, kind: str) -> str:
    """Make a token for a user, who is made too when new; the caller commits. What it returns is shown nowhere again."""
    token = new_token(kind)
    lifetime = LIFETIMES[kind]
    await session.execute(insert(tables.User).values(name=user).on_conflict_do_nothing())
    await session.execute(delete(tables.Token).where(tables.Token.expires_at < func.now()))
    values = {"sha256": _digest(token), "user": user, "kind": kind}
    expires_at = func.now() + lifetime if lifetime else None
    await session.execute(insert(tables.Token).values(**values, expires_at=expires_at))
    return token


async def invited(session: AsyncSession, link_token: str) -> str | None:
    """Tell whom a sign-in link is for, without using it up; None when it is unknown, used or expired."""
    return await _user(session, link_token, "once")


async def exchange(session: AsyncSession, link_token: str) -> str | None:
    """Use up the token of a sign-in link for one that lasts a session; None when it is unknown, used or expired."""
    spent = delete(tables.Token).where(*_valid(link_token, "once")).returning(tables.Token.user)
    user = await session.scalar(spent)
    return await make_token(session, user, "session") if user else None


async def forget(session: AsyncSession, request: Request) -> None:
    """End the session of the request's cookie."""
    token = request.cookies.get(_cookie(request), "")
    await session.execute(delete(tables.Token).where(*_valid(token, "session")))


async def find(session: AsyncSession, request: Request) -> Person | None:
    """Tell who sent the request, or None."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return await _bearer(session, bearer.strip()) if scheme.lower() == "bearer" else None
    user = await _user(session, request.cookies.get(_cookie(request), ""), "session")
    return Person(user, "page") if user else None


def remember(request: Request, response: Response, token: str) -> None:
    """Set the session cookie. Lax keeps it out of other sites' requests that change something."""
    lifetime = LIFETIMES["session"] or timedelta()
    response.set_cookie(
        _cookie(request),
        token,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something came from our own pages, or from no browser at all.

    Browsers say where a request comes from (Fetch Metadata, else Origin); without either it is a program's.
    """
    if site := headers.get("sec-fetch-site"):
        return site in {"same-origin", "none"}
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host")
    return True


def _cookie(request: Request) -> str:
    """The cookie's name. Browsers keep cookies by host alone, so two instances on one machine need two names."""
    settings: Settings = request.state.runtime.settings
    return settings.session_cookie or f"strop_session_{request.url.port or 'default'}"


async def _bearer(session: AsyncSession, token: str) -> Person | None:
    if user := await _user(session, token, "api"):
        return Person(user, "api")
    user = await _user(session, token, "operator")
    return Person(user, "api", operator=True) if user else None


async def _user(session: AsyncSession, token: str, kind: str) -> str | None:
    found: str | None = await session.scalar(select(tables.Token.user).where(*_valid(token, kind)))
    return found


def _valid(token: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    unexpired = tables.Token.expires_at.is_(None) | (tables.Token.expires_at > func.now())
    return tables.Token.sha256 == _digest(token), tables.Token.kind == kind, unexpired


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
