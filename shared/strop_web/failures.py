"""Unknown addresses and unexpected errors: a page for browsers, JSON for programs."""

from collections.abc import Mapping

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from strop import app
from strop_web import shell

_MESSAGES = {
    404: "There is no page at this address.",
    405: "This address does not support this request.",
    500: "The service could not handle the request. The error is in its log.",
}


async def answer(request: Request, error: Exception) -> Response:
    """Answer a request that no route has handled."""
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    if "text/html" in request.headers.get("accept", ""):
        page = shell.trouble(request, known.status_code, _MESSAGES[known.status_code])
        page.headers.update(known.headers or {})
        return page
    return JSONResponse({"detail": known.detail}, known.status_code, known.headers)


HANDLERS: Mapping[int, app.ErrorHandler] = dict.fromkeys(_MESSAGES, answer)
"""Exception handlers by HTTP status, for `app.Service.errors`."""
