"""Sign-in by a link, and sign-out.

Mail scanners and chat previews open a link before its reader does. So GET changes nothing and shows a button; the button's
POST uses the link up.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from strop import access
from strop_web import auth, frame, shell

HOME = "/"
FORM_COOKIE = "strop_sign_in"
"""Contains the same random text as a hidden field of the form: the page of another site cannot make them equal."""

router = APIRouter(include_in_schema=False)


@router.api_route("/sign-in", methods=["GET", "HEAD"])
async def show(request: Request, runtime: frame.Runtime, token: str = "") -> Response:
    """Show the link's user and the button that uses the link. Changes nothing."""
    async with runtime.sessions() as session:
        user = await auth.invited(session, token)
        visitor = await auth.find(session, request)
    return _ask(request, token, user) if user else _refuse(request, token, visitor)


@router.post("/sign-in")
async def use(
    request: Request,
    runtime: frame.Runtime,
    token: Annotated[str, Form()] = "",
    form: Annotated[str, Form()] = "",
) -> Response:
    """Use the link up and sign this browser in, unless the form is one of another site's page."""
    if not (auth.same_origin(request.headers) or _is_ours(request, form)):
        return await show(request, runtime, token)
    async with runtime.sessions.begin() as session:
        session_token = await auth.exchange(session, token)
        visitor = await auth.find(session, request)
    if session_token is None:
        return _refuse(request, token, visitor)
    answer = RedirectResponse(HOME, 303, shell.SAFE)
    auth.remember(request, answer, session_token)
    return answer


@router.post("/sign-out")
async def leave(request: Request, runtime: frame.Runtime) -> Response:
    """End the session, unless the page of another site asks for it."""
    if auth.same_origin(request.headers):
        async with runtime.sessions.begin() as session:
            await auth.forget(session, request)
    return RedirectResponse(HOME, 303, shell.SAFE)


def _ask(request: Request, token: str, user: str) -> Response:
    form = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
    answer = shell.page(request, "sign_in.html", user=user, token=token, form=form)
    answer.headers["Referrer-Policy"] = "no-referrer"  # the address contains the token
    secure = request.url.scheme == "https"
    answer.set_cookie(FORM_COOKIE, form, path="/", httponly=True, samesite="strict", secure=secure)
    return answer


def _refuse(request: Request, token: str, visitor: access.Caller | None) -> Response:
    """Explain why the link is invalid; a person who is signed in goes to the home page."""
    if visitor:
        return RedirectResponse(HOME, 303, shell.SAFE)
    return shell.page(request, "sign_in.html", 401, used=bool(token))


def _is_ours(request: Request, form: str) -> bool:
    """Whether the form is one that we showed to this browser.

    The page sends no referrer, so browsers omit its origin too; without TLS they send no Fetch Metadata either.
    """
    return bool(form) and secrets.compare_digest(form.encode(), request.cookies.get(FORM_COOKIE, "").encode())
