"""Tokens that continue a list: where the last page ended, and of which request, so that no other one takes it."""

import base64
import hashlib
import json
from typing import Any

from custom_labels.api import faults

_FREE = {"NextToken", "MaxResults"}
"""Members that may differ from page to page."""


def write(operation: str, request: dict[str, Any], after: str) -> str:
    """Make the token of the page that follows the row `after`."""
    return base64.urlsafe_b64encode(json.dumps([_scope(operation, request), after]).encode()).decode()


def read(operation: str, request: dict[str, Any]) -> str | None:
    """Return the row that the page follows, or None for the first page; a token of another request is refused.

    An empty token means the first page, as on AWS: the scripts of its guide begin every list with one.
    """
    if not request.get("NextToken"):
        return None
    try:
        scope, after = json.loads(base64.b64decode(request["NextToken"], altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise _bad() from error
    if scope != _scope(operation, request) or not isinstance(after, str) or not after.isascii() or "\0" in after:
        raise _bad()
    return after


def number(operation: str, request: dict[str, Any]) -> int | None:
    """The same for lists that are continued by a number."""
    after = read(operation, request)
    if after is not None and not (after.isdecimal() and len(after) < 16):
        raise _bad()
    return None if after is None else int(after)


def _scope(operation: str, request: dict[str, Any]) -> str:
    kept = {name: value for name, value in request.items() if name not in _FREE}
    return hashlib.sha256(json.dumps([operation, kept], sort_keys=True).encode()).hexdigest()[:16]


def _bad() -> faults.InvalidPaginationTokenException:
    return faults.InvalidPaginationTokenException("The pagination token is not valid for this request.")
