"""What the fields of messages may hold: types with their limits, in the words of JSON Schema.

`messages` declares its fields with them and checks the same when it reads; `docs/asyncapi.yaml` and the tables of
`docs/wire.md` are made from them, and a test holds the two to each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from strop_wire import fields

MAX_FILE_BYTES = 2**31 - 1
"""Of a file in a model package: ONNX takes no more in one file."""


@dataclass(frozen=True, eq=False)
class Limits:
    """Keywords of JSON Schema that hold for a type."""

    keywords: Mapping[str, Any]


def _whole(low: int, high: int) -> Limits:
    return Limits({"minimum": low, "maximum": high})


FileName = Annotated[str, Limits({"pattern": fields.FILE_NAME_PATTERN})]
FileSize = Annotated[int, _whole(1, MAX_FILE_BYTES)]
Uuid = Annotated[str, Limits({"format": "uuid"})]
Time = Annotated[datetime, Limits({"format": "date-time"})]
Share = Annotated[float, Limits({"minimum": 0, "maximum": 1})]
Sha256 = Annotated[str, Limits({"pattern": "^[0-9a-f]{64}$"})]
Phash = Annotated[str, Limits({"pattern": "^[0-9a-f]{16}$"})]
Text64 = Annotated[str, Limits({"minLength": 1, "maxLength": 64})]
Text256 = Annotated[str, Limits({"minLength": 1, "maxLength": 256})]
Url = Annotated[str, Limits({"minLength": 1, "maxLength": 8192})]
Number = Annotated[int, _whole(0, 2**31 - 1)]
Count = Annotated[int, _whole(0, 2**53)]
Positive = Annotated[int, _whole(1, 2**31 - 1)]
Bytes = Annotated[int, _whole(0, 2**40)]
Label = Annotated[str, Limits({"minLength": 1, "maxLength": fields.MAX_LABEL, "pattern": fields.LABEL_PATTERN})]
