"""Sign-in of pages: a one-time link becomes a session cookie; programs send a Bearer token."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from strop import access, tokens
from strop.settings import Settings

HINT = (
    "Sign in: open a sign-in link in the browser and press its button, or send the header `Authorization: Bearer TOKEN`; "
    "`strop token create NAME` creates either."
)


async def invited(session: AsyncSession, link_token: str) -> str | None:
    """Return the user of a sign-in link without using it up; None if it is unknown, used or expired."""
    return await tokens.user(session, link_token, "once")


async def exchange(session: AsyncSession, link_token: str) -> str | None:
    """Exchange the token of a sign-in link for that of a session; None if it is unknown, used or expired."""
    user = await tokens.delete_one(session, link_token, "once")
    return await tokens.make(session, user, "session") if user else None


async def forget(session: AsyncSession, request: Request) -> None:
    """End the session of the request's cookie."""
    await tokens.delete_one(session, request.cookies.get(_cookie(request), ""), "session")


async def find(session: AsyncSession, request: Request) -> access.Caller | None:
    """Return the caller, or None. A header takes precedence over the cookie, even if its token is invalid."""
    if request.headers.get("authorization"):
        return await tokens.bearer(session, request)
    return await tokens.caller(session, request.cookies.get(_cookie(request), ""), "session", "page")


def remember(request: Request, response: Response, token: str) -> None:
    """Set the session cookie. Lax keeps it out of other sites' requests that change something."""
    lifetime = tokens.LIFETIMES["session"]
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
