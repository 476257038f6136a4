"""The wire contract: botocore's own description of Rekognition. Requests are checked against it, answers written by it.

A constraint that is broken is an InvalidParameterException, worded as AWS words it; a value of another type is a
SerializationException. Members that the description lacks are ignored, and null means absent, as on AWS.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import botocore.session
import pydantic_core
from pydantic import ConfigDict, TypeAdapter

from custom_labels.api import arns, faults

FEATURE = "CUSTOM_LABELS"
"""The one feature of Rekognition's projects that is served."""

Problem = str

_LARGEST_INTEGER = 2**31 - 1
_BASE64 = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))  # many times as fast as the standard one
# Java's classes in Python's words. They stand in character classes that have the underscore too, so \w is exact.
_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": " \N{NO-BREAK SPACE}\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


@functools.cache
def service() -> Any:
    return botocore.session.get_session().get_service_model("rekognition")


@functools.cache
def inputs(operation: str) -> Any:
    """The shape of an operation's request."""
    return service().operation_model(operation).input_shape


def read(operation: str, body: bytes) -> dict[str, Any]:
    """Parse and check the request of an operation; blobs come decoded."""
    request = _loads(body)
    if not isinstance(request, dict):
        raise faults.SerializationException("Start of structure or map found where not expected.")
    shape = inputs(operation)
    parsed: dict[str, Any] = _convert(shape, request)
    problems = list(_problems(shape, parsed, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise faults.InvalidParameterException(f"{count}: {'; '.join(problems[:10])}")
    return parsed


def write(answer: dict[str, Any]) -> bytes:
    """Serialise an answer: times become seconds since 1970, members that are None are left out."""
    return json.dumps(_clean(answer), default=_seconds, allow_nan=False).encode()


def _loads(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body or b"{}", allow_inf_nan=False)  # many times as fast as the standard one
    except ValueError as error:
        raise faults.SerializationException(f"The body is not JSON: {error}") from error


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, datetime):
        return arns.milliseconds(value) / 1000
    raise TypeError(f"{type(value).__name__} has no place in an answer")


# --- types: from JSON to what the operations take ---


def _convert(shape: Any, value: Any) -> Any:
    return _CONVERTERS[shape.type_name](shape, value)


def _structure(shape: Any, value: Any) -> dict[str, Any]:
    _expect(dict, value, "a structure")
    members = shape.members
    return {name: _convert(members[name], each) for name, each in value.items() if each is not None and name in members}


def _map(shape: Any, value: Any) -> dict[str, Any]:
    _expect(dict, value, "a map")
    return {_convert(shape.key, name): _convert(shape.value, each) for name, each in value.items() if each is not None}


def _list(shape: Any, value: Any) -> list[Any]:
    _expect(list, value, "a list")
    return [_convert(shape.member, each) for each in value]


def _string(shape: Any, value: Any) -> str:
    _expect(str, value, "a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise faults.SerializationException("A string holds half a character (a lone surrogate).") from error
    text: str = value
    return text


def _boolean(shape: Any, value: Any) -> bool:
    _expect(bool, value, "a boolean")
    return bool(value)


def _integer(shape: Any, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_INTEGER:
        raise _unexpected(value, "an integer of 32 bits")
    return value


def _float(shape: Any, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unexpected(value, "a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise _unexpected(0, "a number that fits 64 bits") from error
    if not math.isfinite(number):
        raise _unexpected(value, "a number that fits 64 bits")
    return number


def _blob(shape: Any, value: Any) -> bytes:
    _expect(str, value, "base64 text")
    try:
        return _BASE64.validate_python(value)
    except ValueError as error:
        raise faults.SerializationException("A blob is not base64.") from error


def _expect(kind: type, value: Any, words: str) -> None:
    if not isinstance(value, kind):
        raise _unexpected(value, words)


def _unexpected(value: Any, words: str) -> faults.SerializationException:
    return faults.SerializationException(f"A {type(value).__name__} cannot be converted to {words}.")


_CONVERTERS: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure,
    "map": _map,
    "list": _list,
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "blob": _blob,
}


# --- constraints ---


def _problems(shape: Any, value: Any, path: str) -> Iterator[Problem]:
    """Say what breaks the shape's constraints, in AWS's words."""
    yield from _CHECKS[shape.type_name](shape, value, path)


def _members(shape: Any, value: dict[str, Any], path: str) -> Iterator[Problem]:
    for name in shape.required_members:
        if name not in value:
            yield _failed(None, _path(path, name), "must not be null")
    for name, each in value.items():
        yield from _problems(shape.members[name], each, _path(path, name))


def _items(shape: Any, value: list[Any], path: str) -> Iterator[Problem]:
    yield from _lengths(shape, value, path)
    for index, each in enumerate(value, 1):
        yield from _problems(shape.member, each, f"{path}.{index}.member")


def _pairs(shape: Any, value: dict[str, Any], path: str) -> Iterator[Problem]:
    yield from _lengths(shape, value, path)
    for key, each in value.items():
        yield from _problems(shape.key, key, f"{path}.key")
        yield from _problems(shape.value, each, f"{path}.{_shown(key)}.member")


def _text(shape: Any, value: str, path: str) -> Iterator[Problem]:
    yield from _lengths(shape, value, path)
    if shape.enum and value not in shape.enum:
        yield _failed(value, path, f"must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _failed(value, path, f"must satisfy regular expression pattern: {pattern}")
    if "\0" in value:  # what no database text can hold
        yield _failed(value, path, "must not contain the character U+0000")


def _lengths(shape: Any, value: Any, path: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _failed(value, path, f"must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _failed(value, path, f"must have length less than or equal to {most}")


def _range(shape: Any, value: float, path: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _failed(value, path, f"must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _failed(value, path, f"must have value less than or equal to {most}")


def _nothing(shape: Any, value: Any, path: str) -> Iterator[Problem]:
    yield from ()


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[Problem]]] = {
    "structure": _members,
    "map": _pairs,
    "list": _items,
    "string": _text,
    "boolean": _nothing,
    "integer": _range,
    "float": _range,
    "blob": _lengths,
}


def _failed(value: Any, path: str, constraint: str) -> Problem:
    shown = "null" if value is None else f"'{_shown(value)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: Member {constraint}"


def _shown(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:100]


def _path(path: str, name: str) -> str:
    """Names begin with a small letter in AWS's messages."""
    small = name[0].lower() + name[1:]
    return f"{path}.{small}" if path else small


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Translate one of the description's patterns, which are written for Java."""
    translated = pattern
    for java, python in _CLASSES.items():
        translated = translated.replace(java, python)
    return re.compile(translated, re.UNICODE if translated != pattern else re.ASCII)
