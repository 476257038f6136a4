"""Reading untrusted JSON: every accessor names the field and what was expected of it."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from strop_wire import MAX_PAYLOAD

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PHASH = re.compile(r"[0-9a-f]{16}")
_LABEL_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")


class Malformed(ValueError):
    """The message does not follow the wire format."""


def load(payload: bytes | str) -> dict[str, Any]:
    """Decode one JSON object; Malformed when it is too large, not JSON, not an object, or holds what nobody can store."""
    if len(payload) > MAX_PAYLOAD:
        raise Malformed(f"payload of {len(payload)} bytes is over the limit of {MAX_PAYLOAD}")
    try:
        text = payload if isinstance(payload, str) else payload.decode()
        data = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_unstorable(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Malformed(f"expected a JSON object, got {type(data).__name__}")
    if data.get("v", 1) != 1:
        raise Malformed(f"version {data['v']!r} is not supported")
    return data


def _refuse_constant(name: str) -> None:
    raise Malformed(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)  # made once: `json.loads` makes one for each text


def _refuse_unstorable(value: Any) -> None:
    """No database takes a zero character or half a surrogate pair, and only an escape can bring them in."""
    if isinstance(value, str):
        if "\0" in value:
            raise Malformed("a text holds a zero character")
        value.encode()  # a UnicodeEncodeError is a ValueError
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            _refuse_unstorable(each)
    elif isinstance(value, list):
        for each in value:
            _refuse_unstorable(each)


def text(data: dict[str, Any], name: str, limit: int = 256) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value or len(value) > limit or "\x00" in value:
        raise Malformed(f"{name}: expected a text of 1 to {limit} characters, got {_show(value)}")
    return value


def number(data: dict[str, Any], name: str, low: float, high: float) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Malformed(f"{name}: expected a number from {low} to {high}, got {_show(value)}")
    return float(value)


def whole(data: dict[str, Any], name: str, low: int, high: int) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Malformed(f"{name}: expected a whole number from {low} to {high}, got {_show(value)}")
    return value


def flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise Malformed(f"{name}: expected true or false, got {_show(value)}")
    return value


def choice(data: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = data.get(name)
    if value not in allowed:
        raise Malformed(f"{name}: expected one of {', '.join(allowed)}, got {_show(value)}")
    return str(value)


def uuid(data: dict[str, Any], name: str) -> str:
    """In the one form that everything else reads too: Python's own takes braces, digits of other scripts and any hyphens."""
    value = data.get(name)
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Malformed(f"{name}: expected a UUID, got {_show(value)}")
    return value.lower()


def sha256(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Malformed(f"{name}: expected 64 lower-case hexadecimal digits, got {_show(value)}")
    return value


def phash(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _PHASH.fullmatch(value):
        raise Malformed(f"{name}: expected 16 hexadecimal digits, got {_show(value)}")
    return value


def time(data: dict[str, Any], name: str) -> datetime:
    value = data.get(name)
    try:
        parsed = datetime.fromisoformat(value)  # type: ignore[arg-type]
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise Malformed(f"{name}: expected an ISO 8601 time, got {_show(value)}") from error


def label(value: Any) -> str:
    """A label is a text of 1 to 100 characters that can also be a folder: no slash, backslash or control character."""
    if not isinstance(value, str) or not value.strip() or len(value) > 100:
        raise Malformed(f"label: expected a text of 1 to 100 characters, got {_show(value)}")
    if _LABEL_FORBIDDEN.search(value) or value.strip() in {".", ".."} or not value.isprintable():
        raise Malformed(f"label {_show(value)} has a slash or a control character, or is a folder's shorthand")
    return value.strip()


def objects(data: dict[str, Any], name: str, limit: int) -> list[dict[str, Any]]:
    value = data.get(name, [])
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name}: expected a list of at most {limit} objects, got {_show(value)}")
    return value


def mapping(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise Malformed(f"{name}: expected an object, got {_show(value)}")
    return value


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
