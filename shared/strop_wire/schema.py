"""The JSON Schema of a message, from the types and texts of its fields."""

import dataclasses
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from strop_wire import VERSION, messages
from strop_wire.limits import Limits

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    datetime: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def parts(message: type) -> Iterator[type]:
    """Every class that a message is made of, itself first."""
    yield message
    for hint in get_type_hints(message).values():
        for inner in _classes(hint):
            yield from parts(inner)


def of(kind: type, prefix: str = "#/$defs/") -> Schema:
    """The schema of one class; the classes in it are references that begin with `prefix`.

    A sender must set the fields without a default. Messages to devices always have all fields, also those of the policy.
    """
    hints = get_type_hints(kind, include_extras=True)
    known = {each.name: each for each in dataclasses.fields(kind)}
    properties = {name: _described(hints[name], each, prefix) for name, each in known.items()}
    required = [name for name, each in known.items() if kind is messages.Policy or not _has_default(each)]
    if issubclass(kind, messages.Message):
        properties = {"v": {"const": VERSION, "default": VERSION, "description": "version of the wire"}, **properties}
    found: Schema = {"type": "object", "description": (kind.__doc__ or "").strip(), "properties": properties}
    return {**found, "required": required} if required else found


def whole(message: type) -> Schema:
    """A schema that stands by itself."""
    inner = {each.__name__: of(each) for each in parts(message) if each is not message}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **of(message), "$defs": inner}


def _described(hint: Any, column: "dataclasses.Field[Any]", prefix: str) -> Schema:
    found = _of_type(hint, prefix)
    if column.default is not dataclasses.MISSING and column.default is not None:
        default = list(column.default) if isinstance(column.default, tuple) else column.default
        found = {**found, "default": default}
    elif column.default_factory is not dataclasses.MISSING:
        found = {**found, "default": column.default_factory()}
    return found


def _has_default(column: "dataclasses.Field[Any]") -> bool:
    return column.default is not dataclasses.MISSING or column.default_factory is not dataclasses.MISSING


def _of_type(hint: Any, prefix: str) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(_of_type(arguments[0], prefix), arguments[1:])
    if origin in {Union, types.UnionType}:  # of something and None
        inner = _of_type(arguments[0], prefix)
        return {**inner, "type": [inner["type"], "null"]} if "type" in inner else {"oneOf": [inner, {"type": "null"}]}
    if origin in {tuple, list}:
        return {"type": "array", "items": _of_type(arguments[0], prefix)}
    if origin is dict:
        return _mapping(*(_of_type(each, prefix) for each in arguments))
    return dict(_PLAIN[hint]) if hint in _PLAIN else {"$ref": prefix + hint.__name__}


def _mapping(keys: Schema, values: Schema) -> Schema:
    names = {key: value for key, value in keys.items() if key != "type"}
    found = {"type": "object", "additionalProperties": values}
    return {**found, "propertyNames": names} if names else found


def _annotated(found: Schema, notes: tuple[Any, ...]) -> Schema:
    for note in notes:
        if isinstance(note, Limits):
            plain = {key: list(value) if isinstance(value, tuple) else value for key, value in note.keywords.items()}
            found = {**found, **plain}
        elif "$ref" in found:  # whose neighbours are ignored
            found = {"allOf": [found], "description": note}
        else:
            found = {**found, "description": note}
    return found


def _classes(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for inner in get_args(hint):
        yield from _classes(inner)
