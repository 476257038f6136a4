"""Routes of pages: sign-in is required, and errors are pages too."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from strop import access, requests
from strop_contracts import errors
from strop_web import auth, shell

_STATUS: Mapping[type[Exception], int] = {errors.Forbidden: 403, errors.NotFound: 404, errors.Refused: 409}
_CROSS_SITE = "This request came from another site."


class SignedOut(Exception):
    """The request has no valid sign-in."""


class CrossSite(Exception):
    """A page of another site sent a request that changes something."""


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except SignedOut:
                return shell.page(request, "sign_in.html", 401)
            except CrossSite:
                return shell.trouble(request, 403, _CROSS_SITE)
            except tuple(_STATUS) as error:
                status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
                return shell.trouble(request, status, str(error))
            except RequestValidationError as error:
                return shell.trouble(request, 422, describe(error.errors()))

        return answer


def describe(invalid: Sequence[Any]) -> str:
    """Return one sentence for each invalid field of a request."""
    return " ".join(f"{error['loc'][-1]}: {error['msg']}." for error in invalid)


Runtime = requests.Runtime
Session = requests.Session


async def admit(request: Request) -> None:
    """Set `request.state.me`.

    SignedOut without a sign-in, CrossSite if another site's page sent a change, Forbidden without the role that the route needs.
    """
    async with requests.runtime(request).sessions.begin() as session:
        request.state.me = caller = await auth.find(session, request)
        if caller is None:
            raise SignedOut
        if request.method != "GET" and not auth.same_origin(request.headers):
            raise CrossSite
        refusal = await access.check(session, request, caller)
    if refusal:
        raise errors.Forbidden(refusal)


async def _me(request: Request) -> access.Caller:
    caller: access.Caller = request.state.me
    return caller


Me = Annotated[access.Caller, Depends(_me)]


def router(prefix: str = "") -> APIRouter:
    """Return a router for pages that require a sign-in."""
    return APIRouter(prefix=prefix, route_class=PageRoute, dependencies=[Depends(admit)], include_in_schema=False)
