"""Control routes: what operators and engineers read and change over HTTP, offered by the service that owns the tables.

Only a token is accepted (`Authorization: Bearer TOKEN`), whose user has the role that the route needs. The cookie of the pages
is not, so that no page of another site can change anything.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request

from strop import access, requests, tokens
from strop_contracts import control

_SIGN_IN = {"WWW-Authenticate": "Bearer"}


Runtime = requests.Runtime
Session = requests.Session


async def admit(request: Request, opened: Runtime) -> access.Caller:
    """Return the caller; 401 without a valid token, 403 without the role that the route needs.

    The check has a transaction of its own: a route that waits for a queue or the bucket holds none meanwhile.
    """
    async with opened.sessions.begin() as session:
        caller = await tokens.bearer(session, request)
        refusal = await access.check(session, request, caller) if caller else None
    if caller is None:
        raise HTTPException(401, "the token is missing, unknown or expired", _SIGN_IN)
    if refusal:
        raise HTTPException(403, refusal)
    return caller


Caller = Annotated[access.Caller, Depends(admit)]


def routes(service: str, below: str = "") -> APIRouter:
    """Return the APIRouter of a service's control routes, or of those below a path; `caller` checks token and service.

    They are not in the OpenAPI document, which describes the API for programs: the command and the services change together.
    """
    prefix = f"{control.PREFIX}/{service}{below}"
    api = APIRouter(prefix=prefix, dependencies=[Depends(admit)], include_in_schema=False)
    if not below:
        api.add_api_route("/caller", _caller)
    return api


async def _caller(caller: Caller) -> control.Caller:
    """Return the user of the request's token."""
    return control.Caller(user=caller.name)
