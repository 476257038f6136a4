"""Signing in by a link and signing out: the same at every service that has pages.

Mail scanners and chat previews open a link before its reader does. So opening one changes nothing: it shows a button,
and the button's POST uses the link up.
"""

import secrets
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from strop import app
from strop_web import auth, shell

FORM_COOKIE = "strop_sign_in"
"""Holds the same random text as a hidden field of the form: another site's page cannot make them agree."""


class Render(Protocol):
    """Makes a page of the service from a template's name and its values."""

    def __call__(self, request: Request, name: str, status: int = 200, **values: Any) -> Response: ...


class SignIn:
    """The routes `sign-in` and `sign-out` below `home`, the service's front page."""

    def __init__(self, home: str, render: Render) -> None:
        self._home = home
        self._base = home.rstrip("/")
        self._render = render

    def router(self) -> APIRouter:
        router = APIRouter(prefix=self._base, include_in_schema=False)
        router.add_api_route("/sign-in", self.show, methods=["GET", "HEAD"], response_class=Response)
        router.add_api_route("/sign-in", self.use, methods=["POST"], response_class=Response)
        router.add_api_route("/sign-out", self.leave, methods=["POST"], response_class=Response)
        return router

    async def show(self, request: Request, token: str = "") -> Response:
        """Show what the link is for, and the button that uses it. Changes nothing."""
        async with _runtime(request).sessions() as session:
            user = await auth.invited(session, token)
            visitor = await auth.find(session, request)
        return self._ask(request, token, user) if user else self._refuse(request, token, visitor)

    async def use(
        self, request: Request, token: Annotated[str, Form()] = "", form: Annotated[str, Form()] = ""
    ) -> Response:
        """Use the link up and sign this browser in; a form of another site's page signs nobody in."""
        if not (auth.same_origin(request.headers) or _is_ours(request, form)):
            return await self.show(request, token)
        async with _runtime(request).sessions.begin() as session:
            made = await auth.exchange(session, token)
            visitor = await auth.find(session, request)
        if made is None:
            return self._refuse(request, token, visitor)
        answer = RedirectResponse(self._home, 303, shell.SAFE)
        auth.remember(request, answer, made)
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session, unless another site's page asks for it."""
        if auth.same_origin(request.headers):
            async with _runtime(request).sessions.begin() as session:
                await auth.forget(session, request)
        return RedirectResponse(self._home, 303, shell.SAFE)

    def _ask(self, request: Request, token: str, user: str) -> Response:
        form = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
        answer = self._render(request, "sign_in.html", base=self._base, user=user, token=token, form=form)
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address holds the token
        secure = request.url.scheme == "https"
        answer.set_cookie(FORM_COOKIE, form, path=self._base or "/", httponly=True, samesite="strict", secure=secure)
        return answer

    def _refuse(self, request: Request, token: str, visitor: auth.Person | None) -> Response:
        """Say why the link is of no use; a person who is signed in may open an old one."""
        if visitor:
            return RedirectResponse(self._home, 303, shell.SAFE)
        return self._render(request, "sign_in.html", 401, used=bool(token))


def _runtime(request: Request) -> app.Runtime:
    opened: app.Runtime = request.state.runtime
    return opened


def _is_ours(request: Request, form: str) -> bool:
    """Whether the form is one that we showed to this browser.

    The page sends no referrer, and then browsers leave out its origin too; without TLS they send no Fetch Metadata either.
    """
    return bool(form) and secrets.compare_digest(form.encode(), request.cookies.get(FORM_COOKIE, "").encode())
