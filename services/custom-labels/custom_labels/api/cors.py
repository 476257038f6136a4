"""Cross-origin requests: which web pages may read our answers, and the headers that AWS sends for it. Pure.

The signature protects the API, and no cookie does, so a page without a key can read nothing but errors.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

ANY, LOCAL = "*", "local"
MAX_AGE = 172_800
"""Seconds a browser may keep a preflight's answer; AWS's own figure."""

EXPOSED = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ORIGIN = re.compile(r"https?://[^/\s,]+")
_HEADERS = re.compile(r"[A-Za-z0-9\-]+(?: *, *[A-Za-z0-9\-]+)*")


class Origins:
    """The origins of a setting: `*`, `local` for every port of this machine, or origins with commas between them."""

    def __init__(self, setting: str) -> None:
        self._allowed = {each.strip() for each in setting.split(",") if each.strip()}
        if wrong := [each for each in self._allowed if each not in {ANY, LOCAL} and not _ORIGIN.fullmatch(each)]:
            raise ValueError(f"{wrong[0]!r} is no origin: expected {ANY}, {LOCAL} or https://HOST[:PORT]")

    def granted(self, origin: str | None) -> dict[str, str]:
        """Return the headers of an answer to this origin; empty when there is none, or it is not allowed."""
        if not origin or not self._allows(origin):
            return {}
        if ANY in self._allowed:
            return {"Access-Control-Allow-Origin": ANY, "Access-Control-Expose-Headers": EXPOSED}
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED, "Vary": "Origin"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that let the announced request through; empty when its origin is not allowed."""
        granted = self.granted(headers.get("origin"))
        if not granted:
            return {}
        announced = headers.get("access-control-request-headers", "")
        return {
            **granted,
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": announced if _HEADERS.fullmatch(announced) else "",
            "Access-Control-Max-Age": str(MAX_AGE),
        }

    def _allows(self, origin: str) -> bool:
        return ANY in self._allowed or origin in self._allowed or (LOCAL in self._allowed and _is_local(origin))


def _is_local(origin: str) -> bool:
    try:
        return bool(_ORIGIN.fullmatch(origin)) and urlsplit(origin).hostname in _LOOPBACK
    except ValueError:  # an address in brackets that is none
        return False
