"""Control routes: what operators read and change over HTTP, offered by the service that owns the tables.

Only an operator's token is accepted (`Authorization: Bearer TOKEN`). The cookie of the pages is not, so that no page of
another site can change anything.
"""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request

from strop import requests, tokens
from strop_contracts import control

log = structlog.get_logger()

_SIGN_IN = {"WWW-Authenticate": "Bearer"}


Runtime = requests.Runtime
Session = requests.Session


async def operator(request: Request, opened: Runtime) -> str:
    """Return the user of the operator's token; 401 without a valid token, 403 for a token of another kind.

    The check has a transaction of its own: a route that waits for a queue or the bucket holds none meanwhile.
    """
    async with opened.sessions() as session:
        caller = await tokens.bearer(session, request)
    if caller is None:
        raise HTTPException(401, "the operator's token is missing, unknown or expired", _SIGN_IN)
    if not caller.operator:
        raise HTTPException(403, f"the token of {caller.user} is not an operator's")
    if request.method != "GET":
        log.info("change_authorized", user=caller.user, method=request.method, path=request.url.path)
    return caller.user


Operator = Annotated[str, Depends(operator)]


def routes(service: str) -> APIRouter:
    """Return the APIRouter of a service's control routes, which only operators may call; `caller` checks token and service.

    They are not in the OpenAPI document, which describes the API for programs: the command and the services change together.
    """
    prefix = f"{control.PREFIX}/{service}"
    api = APIRouter(prefix=prefix, dependencies=[Depends(operator)], include_in_schema=False)
    api.add_api_route("/caller", _caller)
    return api


async def _caller(user: Operator) -> control.Caller:
    """Return the user of the request's token."""
    return control.Caller(user=user)
