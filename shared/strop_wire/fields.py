"""Reading untrusted JSON: every accessor names the field and what was expected of it."""

import functools
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from strop_wire import MAX_PAYLOAD, hidden

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PHASH = re.compile(r"[0-9a-f]{16}")
_ROUNDING = 1e-6
"""How far a share may lie outside of 0 to 1: float32 has 1.0000001 next to 1, and a softmax adds several of them."""
_LEAP_SECOND = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d:?\d\d:?)60(.*)")

MAX_LABEL = 255
"""Characters of a label, as in the Custom Labels API."""
_MAX_FOLDER = 765
"""Bytes of a label as a folder: S3 takes keys of 1,024, and the rest of a key needs up to 200."""
_REFUSED = r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff"
"""No label holds control characters, marks of direction or format that cannot be seen, or what XML cannot carry."""
LABEL_PATTERN = f"^[^{_REFUSED}]*$"
"""The same for a JSON Schema."""
_REFUSED_IN_LABEL = re.compile(rf"[{_REFUSED}\ud800-\udfff]")
_UNSEEN = {"Cf", "Mc", "Me", "Mn", "Zs"}  # joiners and marks need something to join or mark
_REFUSED_IN_FOLDER = re.compile(r"[/\\%]|^\.")
_ESCAPED = re.compile(r"%(2[5EF]|5C)", re.IGNORECASE)


FILE_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of a file in a model package, for a JSON Schema."""
_FILE_NAME = re.compile(FILE_NAME_PATTERN)


class Malformed(ValueError):
    """The message does not follow the wire format."""


class LabelTooLong(Malformed):
    """A label has too many characters, or too many bytes as a folder."""


def load(payload: bytes | str) -> dict[str, Any]:
    """Decode one JSON object; Malformed when it is too large, not JSON, not an object, or contains text that PostgreSQL cannot store."""
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


def shares(data: dict[str, Any], name: str) -> dict[str, float]:
    """Read shares by label; a missing field has none."""
    found = mapping(data, name) if name in data else {}
    return {label(key): share(found, key) for key in found}


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


def is_file_name(name: object) -> bool:
    """Return whether this names a file in a package: plain, not hidden, never a path."""
    return isinstance(name, str) and _FILE_NAME.fullmatch(name) is not None


def phash(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _PHASH.fullmatch(value):
        raise Malformed(f"{name}: expected 16 hexadecimal digits, got {_show(value)}")
    return value


def share(data: dict[str, Any], name: str) -> float:
    """Read a number from 0 to 1. What float32 arithmetic makes of 1 or 0, such as 1.0000001, is taken as 1 or 0."""
    value = data.get(name)
    if isinstance(value, float) and -_ROUNDING <= value <= 1 + _ROUNDING:
        return min(max(value, 0.0), 1.0)
    return number(data, name, 0, 1)


def time(data: dict[str, Any], name: str) -> datetime:
    """Read a time; one without a zone is UTC. A leap second, 23:59:60, is the second after it, as in POSIX."""
    value = data.get(name)
    try:
        if isinstance(value, str) and (found := _LEAP_SECOND.fullmatch(value)):
            return _after_leap_second(_utc(f"{found[1]}59{found[2]}"))
        return _utc(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise Malformed(f"{name}: expected an ISO 8601 time, got {_show(value)}") from error


def _utc(value: Any) -> datetime:
    parsed = datetime.fromisoformat(value)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _after_leap_second(before: datetime) -> datetime:
    after = before + timedelta(seconds=1)
    if (after.hour, after.minute, after.second) != (0, 0, 0):
        raise ValueError("leap seconds end a day of UTC")
    return after


def label(value: Any) -> str:
    """Read a label and return the one spelling that is stored; Malformed names the rule and the character.

    NFC, without white space at its ends, and one plain space for any white space inside. 1 to 255 characters, something
    to see among them. Joiners, slashes and dots are characters like others (`folder_of` makes a folder of them).
    """
    if not isinstance(value, str):
        raise Malformed(f"label: expected a text, got {_show(value)}")
    # Devices repeat few labels; a long text is not worth the memory.
    return _known_label(value) if len(value) <= MAX_LABEL else _label(value)


def _label(value: str) -> str:
    trimmed = value.strip()
    if found := _REFUSED_IN_LABEL.search(trimmed):
        raise Malformed(f"label {_show(value)} holds {_named(found[0])}: no control and invisible characters in labels")
    spelled = unicodedata.normalize("NFC", " ".join(trimmed.split()))
    if all(unicodedata.category(each) in _UNSEEN for each in spelled):
        raise Malformed(f"label {_show(value)} is empty: expected a text of 1 to {MAX_LABEL} characters to be seen")
    if len(spelled) > MAX_LABEL:
        raise LabelTooLong(f"label {_show(value)} has {len(spelled)} characters, the limit is {MAX_LABEL}")
    if (size := len(folder_of(spelled).encode())) > _MAX_FOLDER:
        raise LabelTooLong(f"label {_show(value)} takes {size} bytes as a folder, the limit is {_MAX_FOLDER}")
    return spelled


_known_label = functools.lru_cache(maxsize=4096)(_label)


def _named(character: str) -> str:
    kinds = {"Cc": "a control character", "Cs": "half of a surrogate pair"}
    kind = kinds.get(unicodedata.category(character)) or unicodedata.name(character, "no character")
    return f"U+{ord(character):04X} ({kind})"


def folder_of(name: str) -> str:
    """Name the folder, or the part of a key, of a label. `/`, `\\`, `%` and a first dot become `%2F` and so on.

    So does the first character of a label that is the name of a hidden folder, such as `Thumbs.db`.
    """
    if hidden.is_name(name):
        return "".join(f"%{byte:02X}" for byte in name[0].encode()) + name[1:]
    return _REFUSED_IN_FOLDER.sub(lambda found: f"%{ord(found[0]):02X}", name)


def label_of(folder: str) -> str:
    """Read the label that a folder names, made by Strop or by hand; `label_of(folder_of(name))` is `name` for every label.

    A `%` that begins no escape of `folder_of` stands for itself. Malformed for a hidden folder, or one that names no label.
    """
    if folder.startswith(".") or hidden.is_name(folder):
        escape = "".join(f"%{byte:02X}" for byte in folder[0].encode())
        raise Malformed(f"folder {_show(folder)} is hidden: write the first character of a label as {escape}")
    if folder.startswith("%") and hidden.is_name(unescaped := unquote(folder)):
        return label(unescaped)
    return label(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), folder))


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
