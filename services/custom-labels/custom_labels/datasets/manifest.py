"""Lines of a manifest, in SageMaker Ground Truth's forms for image classification, judged one by one. Pure.

    {"source-ref": "s3://bucket/a.jpg", "kind": 0, "kind-metadata": {"class-name": "rose", "confidence": 1,
     "human-annotated": "yes", "creation-date": "2026-11-22T08:00:00", "type": "groundtruth/image-classification"}}

A multi-label line is taken when it has one label, in the form of Ground Truth (`"kind": [3]`, with `class-map` and
`confidence-map`) and in that of the script by which the guide transforms it (as above, but for its type).

Codes and messages are those of the Custom Labels guide ("Non-terminal JSON line validation errors", "Debugging terminal
dataset errors"). ERROR_DUPLICATE_SOURCE_REF is ours: there such a line vanishes without a code.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from strop_contracts import documents
from strop_wire import fields

MAX_BYTES = 2**30
MAX_LINES = 250_000
MAX_LINE = 100_000
MAX_LABELS = 250
MAX_BAD = 0.2
"""Quotas of a manifest; the last is the share of lines that may have a terminal error."""

ERRORS, FACTS = "cl-errors", "cl-metadata"
"""Fields of a listed line beside those of the request: its errors, and whether it has a label."""

CLASSIFICATION = "groundtruth/image-classification"
MULTILABEL = "groundtruth/image-classification-multilabel"

NON_TERMINAL = {
    "ERROR_NO_LABEL_ATTRIBUTES",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
    "ERROR_NO_VALID_LABEL_ATTRIBUTES",
    "ERROR_MISSING_CLASS_MAP_ID",
    "ERROR_UNSUPPORTED_USE_CASE_TYPE",
    "ERROR_INVALID_LABEL_NAME_LENGTH",
    "ERROR_INVALID_IMAGE_DIMENSION",
}
"""Codes that never fail a data set ("Debugging non-terminal dataset errors"): its other lines are used, however many these are."""

_NOT_LABELS = {"source-ref", ERRORS, FACTS, "errors", "warnings"}
_SOURCE = re.compile(r"[sS]3://(?P<bucket>[0-9A-Za-z.\-_]{3,255})/(?P<key>[^\x00]{1,1024})", re.DOTALL)
_SUFFIX = "-metadata"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Unusable(Exception):
    """The change as a whole fails; the message begins with AWS's code."""


@dataclass(slots=True)
class Line:
    """One line. It can be learned from when it has a bucket, that is, when nothing stands against it as a whole."""

    text: str
    source_ref: str | None = None
    bucket: str | None = None
    key: str = ""
    labels: list[str] = field(default_factory=list)
    errors: list[documents.LineError] = field(default_factory=list)

    def refuse(self, code: str, message: str, attribute: str | None = None) -> "Line":
        error = documents.LineError(code=code, message=message)
        if attribute:
            error["attribute"] = attribute
        self.errors.append(error)
        return self


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Split a file into its lines, without holding more than one; of one that is too long only the beginning comes."""
    longest = 4 * MAX_LINE + 2
    while piece := file.readline(longest):
        yield piece.rstrip(b"\r\n")
        while len(piece) == longest and not piece.endswith(b"\n"):
            piece = file.readline(longest)


def read(raw: bytes) -> Line:
    """Judge a line by itself, without its image."""
    text = raw.decode("utf-8-sig", "backslashreplace").replace("\0", "\\0")
    line = Line(text[:MAX_LINE])
    if len(text) > MAX_LINE:
        return line.refuse("ERROR_INVALID_JSON_LINE", f"The JSON Line has more than {MAX_LINE} characters.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return line.refuse("ERROR_INVALID_JSON_LINE", "The JSON Line has an invalid format.")
    return _read_labels(line, data) if _read_source(line, data) else line


def _read_source(line: Line, data: dict[str, Any]) -> bool:
    source = data.get("source-ref")
    if not source:
        line.refuse("ERROR_MISSING_SOURCE_REF", "The source-ref key is missing.")
        return False
    found = _SOURCE.fullmatch(source) if isinstance(source, str) and not _CONTROL.search(source) else None
    if not found:
        line.refuse("ERROR_INVALID_SOURCE_REF_FORMAT", "The format of the source-ref value is invalid.")
        return False
    line.source_ref, line.bucket, line.key = source, found["bucket"], found["key"]
    return True


def _read_labels(line: Line, data: dict[str, Any]) -> Line:
    """Take the label; a line with nothing but an image is one that waits for its label, and no error."""
    others = data.keys() - _NOT_LABELS
    names = [name for name in data if name in others and name + _SUFFIX in others]
    for name in names:
        found = _read_attribute(line, name, data[name], data[name + _SUFFIX])
        line.labels.extend(label for label in found if label not in line.labels)
    if len(line.labels) > 1:
        _refuse_several(line)
    if others and not names:
        line.refuse("ERROR_NO_LABEL_ATTRIBUTES", "No label attributes found.")
    elif names and not line.labels:
        line.refuse("ERROR_NO_VALID_LABEL_ATTRIBUTES", "No valid label attributes found.")
    if others and not line.labels:
        line.bucket = None
    return line


def _refuse_several(line: Line) -> None:
    """One image, one label: which of several is the right one only the caller can decide."""
    line.refuse(
        "ERROR_UNSUPPORTED_USE_CASE_TYPE",
        f"The image has several labels ({', '.join(line.labels)}), and one is supported here.",
    )
    line.labels.clear()


def _read_attribute(line: Line, name: str, value: Any, metadata: Any) -> list[str]:
    """Return the labels of an attribute; for each missing one the line has an error."""
    if not isinstance(metadata, dict) or not isinstance(value, list) or metadata.get("type") != MULTILABEL:
        label = _read_label(line, name, value, metadata)
        return [] if label is None else [label]
    return _read_classes(line, name, value, metadata)


def _read_classes(line: Line, name: str, numbers: list[Any], metadata: dict[str, Any]) -> list[str]:
    """Return the labels of Ground Truth's multi-label form: numbers of classes, which two maps name and rate."""
    names, confidences = (metadata.get(key) for key in ("class-map", "confidence-map"))
    labels = []
    for number in dict.fromkeys(map(str, numbers)):
        if not isinstance(names, dict) or number not in names:
            line.refuse(
                "ERROR_MISSING_CLASS_MAP_ID", "One or more class ids is missing from the class map.", name + _SUFFIX
            )
            continue
        confidence = confidences.get(number) if isinstance(confidences, dict) else None
        label = _read_label(line, name, 0, {**metadata, "class-name": names[number], "confidence": confidence})
        labels += [] if label is None else [label]
    return labels


def _read_label(line: Line, name: str, value: Any, metadata: Any) -> str | None:
    """Return the label of an attribute, or say what is wrong with it."""
    where = name + _SUFFIX
    if not isinstance(metadata, dict) or not isinstance(metadata.get("type"), str):
        _refuse_metadata(line, where, "type")
        return None
    if metadata["type"] not in {CLASSIFICATION, MULTILABEL}:
        line.refuse(
            "ERROR_UNSUPPORTED_USE_CASE_TYPE",
            f"The use case type of the {where} label attribute metadata is unsupported. Check the type field: "
            f"here it is {CLASSIFICATION}, or {MULTILABEL} with one label.",
            where,
        )
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        line.refuse(
            "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", f"The format of the label attribute {name} is invalid.", where
        )
        return None
    if wrong := next((key for key, fits in _METADATA.items() if not fits(metadata.get(key))), None):
        _refuse_metadata(line, where, wrong)
        return None
    return _read_name(line, where, "class-name", metadata["class-name"])


def _read_name(line: Line, where: str, wrong: str, value: Any) -> str | None:
    """Return the name of a label in the spelling that is stored, or refuse it with the rule that it breaks."""
    try:
        return fields.label(value)
    except fields.LabelTooLong as error:
        line.refuse("ERROR_INVALID_LABEL_NAME_LENGTH", f"The length of the label name is invalid: {error}.", where)
    except fields.Malformed as error:
        _refuse_metadata(line, where, wrong, str(error))
    return None


def _refuse_metadata(line: Line, where: str, wrong: str, reason: str = "") -> None:
    line.refuse(
        "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        f"The format of the label attribute metadata is invalid. Check {wrong} of {where}{reason and ': '}{reason}.",
        where,
    )


def _is(read: Callable[[dict[str, Any], str], object]) -> Callable[[Any], bool]:
    """Make a check of a value from the reader of such a field."""

    def fits(value: Any) -> bool:
        try:
            read({"value": value}, "value")
        except fields.Malformed:
            return False
        return True

    return fits


_METADATA = {
    "class-name": lambda value: isinstance(value, str),
    "confidence": _is(fields.share),
    "human-annotated": lambda value: value in ("yes", "no"),
    "creation-date": _is(fields.time),
}
"""What the metadata of a label must have."""


def show(text: str, labels: list[str], errors: Sequence[documents.LineError]) -> str:
    """A line as ListDatasetEntries gives it: with its errors where they belong, and whether it is labelled."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    shown = {name: value for name, value in data.items() if name not in _NOT_LABELS} if isinstance(data, dict) else {}
    if isinstance(data, dict) and "source-ref" in data:
        shown = {"source-ref": data["source-ref"], **shown}
    for error in errors:
        where = shown.get(error.get("attribute", ""))
        target = where if isinstance(where, dict) else shown
        target.setdefault(ERRORS, []).append({"code": error["code"], "message": error["message"]})
    shown[FACTS] = {"is_labeled": bool(labels)}
    return json.dumps(shown, separators=(",", ":"))


def reason(errors: Sequence[documents.LineError]) -> str:
    """Return the code that decides why a line cannot be used: its first terminal one, if it has any."""
    codes = [error["code"] for error in errors]
    return next((code for code in codes if code not in NON_TERMINAL), codes[0])


def judge(total: int, bad: Counter[str]) -> None:
    """Raise Unusable when too many lines have a terminal error; `bad` counts useless lines by the reason of each."""
    if not total:
        raise Unusable("ERROR_EMPTY_MANIFEST: The manifest file is empty.")
    terminal = sum(count for code, count in bad.items() if code not in NON_TERMINAL)
    if terminal > MAX_BAD * total:
        raise Unusable(
            f"ERROR_TOO_MANY_RECORDS_IN_ERROR: The manifest file has too many terminal errors. {counted(total, bad)}"
        )


def judge_new(total: int, bad: Counter[str]) -> None:
    """Raise Unusable for a new data set that no model can ever be made of: not one of its lines can be used."""
    judge(total, bad)
    if bad.total() == total:
        raise Unusable(
            f"ERROR_TOO_MANY_RECORDS_IN_ERROR: The manifest file has no line without an error. {counted(total, bad)}"
        )


def counted(total: int, bad: Counter[str]) -> str:
    """Say how many lines cannot be used, and why; nothing when all can."""
    if not bad:
        return ""
    codes = ", ".join(f"{code} {count}" for code, count in bad.most_common())
    return f"{bad.total()} of {total} lines cannot be used: {codes}."


def judge_size(count: int) -> None:
    if count > MAX_LINES:
        raise Unusable("ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM: The manifest file has too many rows.")


def judge_labels(labels: set[str]) -> None:
    if len(labels) > MAX_LABELS:
        raise Unusable("ERROR_MANIFEST_TOO_MANY_LABELS: The manifest file has too many labels.")


def judge_buckets(buckets: set[str]) -> None:
    if len(buckets) > 1:
        raise Unusable(
            "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS: The manifest file contains images from multiple S3 buckets."
        )
