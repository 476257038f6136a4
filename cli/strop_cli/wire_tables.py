"""The tables of fields in `docs/wire.md`, from the messages: below each `<!-- fields of NAME -->`."""

import json
import re
from collections.abc import Mapping

from strop_wire import schema

MARK = re.compile(r"(<!-- fields of (\w+) -->\n)(?:\|.*\n)*")


def anew(text: str, classes: Mapping[str, type]) -> str:
    """Return the page with its tables made anew from the classes by name."""
    return MARK.sub(lambda mark: mark[1] + of(classes[mark[2]]), text)


def of(kind: type) -> str:
    """The fields of a class as Markdown."""
    made = schema.of(kind, "")
    rows = [
        f"| `{name}` | {_type(found)} | {_default(name, found, made.get('required', ()))} | {_text(found)} |"
        for name, found in made["properties"].items()
    ]
    return "".join(f"{row}\n" for row in ("| field | type, limits | default | meaning |", "|---|---|---|---|", *rows))


def _text(found: schema.Schema) -> str:
    return str(found.get("description", "")).replace("|", r"\|")


def _default(name: str, found: schema.Schema, required: tuple[str, ...]) -> str:
    if name in required:
        return "required"
    return f"`{json.dumps(found['default'])}`" if "default" in found else "`null`"


def _type(found: schema.Schema) -> str:
    """A type in words: `number from 0 to 1`."""
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return " \\| ".join(f"`{each}`" for each in found["enum"])
    if reference := found.get("$ref") or next((each["$ref"] for each in _options(found) if "$ref" in each), None):
        return f"[{reference}](#{reference.lower()})" + (" or null" if "oneOf" in found else "")
    names = found["type"] if isinstance(found["type"], list) else [found["type"]]
    return " or ".join([_SHAPES.get(names[0], _scalar)(found, names[0]), *names[1:]])


def _options(found: schema.Schema) -> list[schema.Schema]:
    return [*found.get("oneOf", ()), *found.get("allOf", ())]


def _scalar(found: schema.Schema, name: str) -> str:
    words = {"uuid": "UUID", "date-time": "ISO 8601 time"}.get(found.get("format", ""), name)
    if pattern := _PATTERNS.get(found.get("pattern", "")):
        return pattern
    if "maxLength" in found:
        return f"{words} of {found.get('minLength', 0)} to {found['maxLength']} characters"
    return f"{words} from {_number(found['minimum'])} to {_number(found['maximum'])}" if "maximum" in found else words


def _number(value: float) -> str:
    powers: Mapping[float, str] = {2**31 - 1: "2³¹-1", 2**40: "2⁴⁰", 2**53: "2⁵³"}
    return powers.get(value, f"{value:,}")


def _array(found: schema.Schema, _name: str) -> str:
    low, high = found.get("minItems", 0), found["maxItems"]
    return f"list of {low if low == high else f'{low} to {high:,}'}: {_type(found['items'])}"


def _object(found: schema.Schema, _name: str) -> str:
    return f"object, each value: {_type(found['additionalProperties'])}"


_PATTERNS = {"^[0-9a-f]{64}$": "64 hexadecimal digits", "^[0-9a-f]{16}$": "16 hexadecimal digits"}
_SHAPES = {"array": _array, "object": _object}
