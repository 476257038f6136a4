"""Well-formed input, damaged: JSON whose values are gone, doubled, others' or beyond all bounds, and bytes of any kind."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

NUMBERS = ("-1", "0.5", "1.0000001", "2147483648", "9007199254740993", "18446744073709551616", "1e308", "-1e999")
TEXTS = ("", " ", ".", "..", "a/b", "\0", "\ud800", "\u202e", "e\u0301", "\U0001f984", "x" * 70, "\u8336" * 10_000)
ODD = (
    *("null", "true", "false", "[]", "{}", '[{"a":[]}]', "9" * 400, "9" * 5_000, "NaN"),
    *NUMBERS,
    *map(json.dumps, TEXTS),
    *("[" * deep + "]" * deep for deep in (50, 20_000)),
)
"""Values as they are written: Python's own could not be all of these."""
STYLES: tuple[Callable[[str], str], ...] = (
    str.upper,
    "{{{}}}".format,
    " {}\n".format,
    "urn:uuid:{}".format,
    lambda text: text.replace("-", ""),
    lambda text: f"{text[1:2]}-{text}",
    lambda text: text[:-1],
    lambda text: text.translate({ord("0") + n: 0x0660 + n for n in range(10)}),  # the digits of another script
)
"""Ways in which a text may be nearly the one that was meant."""


class _Written(str):
    """JSON as it is."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, which may say one name twice."""


Slot = tuple[list[Any], int]


@st.composite
def values(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """JSON with one to three of its values damaged; it almost always still is JSON."""
    tree = json.loads(draw(whole), object_pairs_hook=_Pairs)
    for times in (1001, 20, 20)[: draw(st.integers(1, 3))]:  # to repeat two lists a thousand times would take too long
        if found := _slots(tree):
            _damage(draw, *draw(st.sampled_from(found)), found, times)
    return _write(tree, plain=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def in_bytes(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Something right with bytes replaced, removed, repeated, or another one's tail."""
    body = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        match draw(st.sampled_from(["replace", "cut", "insert", "end", "splice"])):
            case "replace":
                body[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del body[at : at + draw(st.integers(1, 64))]
            case "insert":
                body[at:at] = draw(st.binary(max_size=16))
            case "end":
                del body[at:]
            case _:
                body[at:] = draw(whole)[at:]
    return bytes(body)


def json_of(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Mostly damaged in its values; what is damaged in its bytes rarely gets beyond the parser."""
    return st.integers(0, 7).flatmap(lambda n: values(whole) if n else in_bytes(whole))


def _damage(draw: st.DrawFn, holder: list[Any], at: int, found: list[Slot], times: int) -> None:
    kinds = ["gone", "odd", "other", "wrapped", "repeated"]
    kinds += ["renamed"] if isinstance(holder, _Pairs) else []
    kinds += ["styled"] * 2 if isinstance(_get(holder, at), str) else []
    match draw(st.sampled_from(kinds)):
        case "gone":
            del holder[at]
        case "odd":
            _put(holder, at, draw(odd))
        case "other":
            _put(holder, at, deepcopy(_get(*draw(st.sampled_from(found)))))
        case "wrapped":
            value = _get(holder, at)
            _put(holder, at, draw(st.sampled_from([[value], _Pairs([("x", value)])])))
        case "repeated":
            _repeat(draw, holder, at, times)
        case "renamed":
            holder[at] = (draw(st.sampled_from(TEXTS)), holder[at][1])
        case _:
            _put(holder, at, draw(st.sampled_from(STYLES))(_get(holder, at)))


def _repeat(draw: st.DrawFn, holder: list[Any], at: int, times: int) -> None:
    """Say a name again with another value, or an element very often."""
    if isinstance(holder, _Pairs):
        holder.append((holder[at][0], draw(odd)))
    else:
        holder[at:at] = [holder[at]] * draw(st.sampled_from([1, times]))


odd = st.sampled_from(ODD).map(_Written)


def _slots(tree: Any) -> list[Slot]:
    """Every place of a value within lists and objects, wherever it is; a list of a thousand has as few as one of ten."""
    if not isinstance(tree, list):
        return []
    within = [slot for at in range(len(tree[:10])) for slot in _slots(_get(tree, at))]
    return [*((tree, at) for at in range(len(tree[:10]))), *within]


def _get(holder: list[Any], at: int) -> Any:
    return holder[at][1] if isinstance(holder, _Pairs) else holder[at]


def _put(holder: list[Any], at: int, value: Any) -> None:
    holder[at] = (holder[at][0], value) if isinstance(holder, _Pairs) else value


def _write(value: Any, *, plain: bool) -> str:
    match value:
        case _Written():
            return value
        case _Pairs():
            said = (f"{json.dumps(name, ensure_ascii=plain)}:{_write(each, plain=plain)}" for name, each in value)
            return f"{{{','.join(said)}}}"
        case list():
            return f"[{','.join(_write(each, plain=plain) for each in value)}]"
    return json.dumps(value, ensure_ascii=plain)
