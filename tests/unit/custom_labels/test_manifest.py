"""Which lines of a manifest can be learned from, and what is said of the others."""

import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_labels.datasets import manifest
from strop_wire import fields

METADATA = {
    "class-name": "rose",
    "confidence": 0.9,
    "human-annotated": "yes",
    "creation-date": "2026-11-22T08:00:00.000",
    "type": "groundtruth/image-classification",
    "job-name": "labeling-job/kind",
}
LINE = {"source-ref": "s3://bucket/a/b.jpg", "kind": 3, "kind-metadata": METADATA}


def read(line: Any) -> manifest.Line:
    return manifest.read(json.dumps(line).encode())


def codes(line: manifest.Line) -> list[str]:
    return [error["code"] for error in line.errors]


def test_a_line_gives_its_image_and_its_label() -> None:
    line = read(LINE)

    assert (line.source_ref, line.bucket, line.key) == ("s3://bucket/a/b.jpg", "bucket", "a/b.jpg")
    assert (line.labels, line.errors) == (["rose"], [])


def test_the_same_label_twice_is_one() -> None:
    line = read({**LINE, "z": 1, "z-metadata": METADATA})

    assert (line.bucket, line.labels, line.errors) == ("bucket", ["rose"], [])


MULTI = {"type": "groundtruth/image-classification-multilabel"}
CHOSEN = METADATA | MULTI | {"class-map": {"3": "rose", "7": "garden"}, "confidence-map": {"3": 0.8, "7": 0.9}}


def multi(*numbers: Any, **changes: Any) -> manifest.Line:
    """A line as a multi-label job of Ground Truth writes it."""
    metadata = {name: value for name, value in CHOSEN.items() if name not in {"class-name", "confidence"}}
    return read({**LINE, "kind": list(numbers), "kind-metadata": metadata | changes})


def test_a_multi_label_line_with_one_label_is_accepted_in_both_forms() -> None:
    transformed = read(
        {**LINE, "kind0": 0, "kind0-metadata": METADATA | MULTI} | {"kind": 0, "kind-metadata": METADATA}
    )

    for line in (multi(3), multi(3, 3), read({**LINE, "kind-metadata": METADATA | MULTI}), transformed):
        assert (line.bucket, line.labels, line.errors) == ("bucket", ["rose"], [])


def test_several_labels_are_refused_in_every_form() -> None:
    second = METADATA | {"class-name": "garden"}

    for line in (multi(3, 7), read({**LINE, "place": 1, "place-metadata": second})):
        assert codes(line) == ["ERROR_UNSUPPORTED_USE_CASE_TYPE", "ERROR_NO_VALID_LABEL_ATTRIBUTES"]
        assert "several labels (rose, garden)" in line.errors[0]["message"]
        assert (line.bucket, line.labels) == (None, [])


@pytest.mark.parametrize(
    ("numbers", "changes", "code"),
    [
        ([], {}, "ERROR_NO_VALID_LABEL_ATTRIBUTES"),
        ([9], {}, "ERROR_MISSING_CLASS_MAP_ID"),
        ([[]], {}, "ERROR_MISSING_CLASS_MAP_ID"),
        ([3], {"class-map": None}, "ERROR_MISSING_CLASS_MAP_ID"),
        ([3], {"class-map": {"3": 3}}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        ([3], {"confidence-map": {}}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        ([3], {"confidence-map": 1}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        ([3], {"type": "groundtruth/image-classification"}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
    ],
)
def test_a_broken_multi_label_line_is_named(numbers: list[Any], changes: dict[str, Any], code: str) -> None:
    line = multi(*numbers, **changes)

    assert codes(line)[0] == code
    assert codes(line)[-1] == "ERROR_NO_VALID_LABEL_ATTRIBUTES"
    assert line.bucket is None


@pytest.mark.parametrize("name", ["N/A", "OK/NOK", "eau\u00a0plate", "\u06af\u0644\u200c\u0631\u0632", "x" * 255])
def test_a_label_is_kept_in_the_spelling_that_a_model_has(name: str) -> None:
    line = read({**LINE, "kind-metadata": METADATA | {"class-name": name}})

    assert (line.labels, line.errors) == ([fields.label(name)], [])


def test_two_spellings_of_a_label_are_one_label() -> None:
    line = read({**LINE, "again": 1, "again-metadata": METADATA | {"class-name": "rose "}})

    assert (line.labels, line.errors) == (["rose"], [])


def test_a_refused_label_is_named_with_its_rule_and_the_character() -> None:
    line = read({**LINE, "kind-metadata": METADATA | {"class-name": "a\u202eb"}})

    assert "Check class-name of kind-metadata: label 'a\\u202eb' holds U+202E" in line.errors[0]["message"]


@pytest.mark.parametrize("about", [{"confidence": 1.0000001}, {"creation-date": "2016-12-31T23:59:60Z"}])
def test_a_rounded_one_and_a_leap_second_are_taken(about: dict[str, Any]) -> None:
    assert read({**LINE, "kind-metadata": METADATA | about}).errors == []


def test_an_image_without_anything_waits_for_its_label() -> None:
    line = read({"source-ref": "s3://bucket/a.jpg", "cl-metadata": {"is_labeled": False}})

    assert (line.bucket, line.labels, line.errors) == ("bucket", [], [])


def test_a_broken_label_beside_a_good_one_leaves_the_good_one() -> None:
    line = read({**LINE, "place": 1, "place-metadata": {}})

    assert (line.bucket, line.labels) == ("bucket", ["rose"])
    assert codes(line) == ["ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "ERROR_INVALID_JSON_LINE"),
        (b"{", "ERROR_INVALID_JSON_LINE"),
        (b"[]", "ERROR_INVALID_JSON_LINE"),
        (b"\xff\xfe", "ERROR_INVALID_JSON_LINE"),
        (b"[" * 50_000, "ERROR_INVALID_JSON_LINE"),
        (b'"' + b"x" * 100_000 + b'"', "ERROR_INVALID_JSON_LINE"),
        (b"{}", "ERROR_MISSING_SOURCE_REF"),
        (b'{"source_ref": "s3://bucket/a"}', "ERROR_MISSING_SOURCE_REF"),
        (b'{"source-ref": 1}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "https://bucket/a"}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "s3://bucket"}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "s3://bucket/"}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "s3://bucket/a\\u0000"}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "s3://bucket/a\\ud800"}', "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (b'{"source-ref": "s3://bucket/a", "kind": 1}', "ERROR_NO_LABEL_ATTRIBUTES"),
        (b'{"source-ref": "s3://bucket/a", "kind-metadata": {}}', "ERROR_NO_LABEL_ATTRIBUTES"),
    ],
)
def test_a_line_of_no_use_has_awss_code(raw: bytes, code: str) -> None:
    line = manifest.read(raw)

    assert codes(line) == [code]
    assert (line.bucket, line.labels) == (None, [])


@pytest.mark.parametrize(
    ("value", "changes", "code"),
    [
        (True, {}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ("1", {}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (1, {"type": "groundtruth/object-detection"}, "ERROR_UNSUPPORTED_USE_CASE_TYPE"),
        (1, {"type": None}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"class-name": ""}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"class-name": 3}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"class-name": "a\0"}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"class-name": "\ud800"}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"class-name": "x" * 256}, "ERROR_INVALID_LABEL_NAME_LENGTH"),
        (1, {"confidence": 1.1}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"confidence": None}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"human-annotated": []}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (1, {"creation-date": "yesterday"}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
    ],
)
def test_a_broken_label_is_named(value: Any, changes: dict[str, Any], code: str) -> None:
    line = read({**LINE, "kind": value, "kind-metadata": METADATA | changes})

    assert codes(line) == [code, "ERROR_NO_VALID_LABEL_ATTRIBUTES"]
    assert line.errors[0]["attribute"] == "kind-metadata"
    assert (line.bucket, line.labels) == (None, [])


def test_a_byte_order_mark_does_no_harm() -> None:
    assert manifest.read(b"\xef\xbb\xbf" + json.dumps(LINE).encode()).errors == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.sampled_from(["source-ref", "kind", "kind-metadata", "type"]), inner)
        ),
    )
)
def test_any_json_is_judged_and_can_be_shown(value: Any) -> None:
    line = read(value)

    shown = json.loads(manifest.show(line.text, line.labels, line.errors))
    assert shown["cl-metadata"] == {"is_labeled": bool(line.labels)}


@given(st.binary())
def test_any_bytes_are_judged_and_can_be_stored(raw: bytes) -> None:
    line = manifest.read(raw)

    assert line.text.encode() is not None
    assert "\0" not in line.text


def test_a_line_is_shown_with_its_errors_where_they_belong() -> None:
    came = {**LINE, "place": 1, "place-metadata": {"type": "x"}, "cl-errors": ["old"]}
    line = read(came).refuse("ERROR_INVALID_IMAGE", "no")

    shown = json.loads(manifest.show(line.text, line.labels, line.errors))

    assert shown["cl-errors"] == [{"code": "ERROR_INVALID_IMAGE", "message": "no"}]
    (error,) = shown["place-metadata"].pop("cl-errors")
    assert error["code"] == "ERROR_UNSUPPORTED_USE_CASE_TYPE"
    assert shown["kind-metadata"] == METADATA


def test_a_line_that_cannot_be_read_is_shown_by_its_error_alone() -> None:
    line = manifest.read(b"{")

    shown = json.loads(manifest.show(line.text, line.labels, line.errors))

    assert shown.keys() == {"cl-errors", "cl-metadata"}


def test_lines_are_split_without_holding_a_long_one() -> None:
    long = b"x" * (4 * manifest.MAX_LINE * 2 + 5)

    found = list(manifest.lines(io.BytesIO(b"a\r\n\n" + long + b"\nb")))

    assert [len(each) for each in found] == [1, 0, 4 * manifest.MAX_LINE + 2, 1]
    assert list(manifest.lines(io.BytesIO(b"a\n"))) == [b"a"]


def test_one_bad_line_in_five_is_still_good_enough() -> None:
    manifest.judge(5, Counter({"ERROR_INVALID_IMAGE": 1}))


def test_more_than_one_in_five_is_too_many_and_the_codes_are_counted() -> None:
    bad = Counter({"ERROR_INVALID_IMAGE": 11, "ERROR_INVALID_JSON_LINE": 10})

    with pytest.raises(
        manifest.Unusable, match=r"^ERROR_TOO_MANY_RECORDS_IN_ERROR: .*21 of 100 .*ERROR_INVALID_IMAGE 11, "
    ):
        manifest.judge(100, bad)


def test_lines_of_another_kind_fail_no_change_however_many_they_are() -> None:
    boxes = Counter({"ERROR_UNSUPPORTED_USE_CASE_TYPE": 2})

    manifest.judge(2, boxes)
    manifest.judge_new(3, boxes)
    with pytest.raises(manifest.Unusable, match=r"no line without an error. 2 of 2 lines .*_USE_CASE_TYPE 2\."):
        manifest.judge_new(2, boxes)


def test_a_terminal_error_decides_over_one_of_the_label() -> None:
    line = read({**LINE, "kind-metadata": {}}).refuse("ERROR_INVALID_IMAGE", "no")

    assert manifest.reason(line.errors) == "ERROR_INVALID_IMAGE"
    assert manifest.reason(line.errors[:1]) == "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"


def test_a_whole_manifest_has_limits() -> None:
    manifest.judge_size(250_000)
    manifest.judge_labels({str(number) for number in range(250)})
    manifest.judge_buckets({"one"})

    with pytest.raises(manifest.Unusable, match="ERROR_EMPTY_MANIFEST"):
        manifest.judge(0, Counter())
    with pytest.raises(manifest.Unusable, match="ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"):
        manifest.judge_size(250_001)
    with pytest.raises(manifest.Unusable, match="ERROR_MANIFEST_TOO_MANY_LABELS"):
        manifest.judge_labels({str(number) for number in range(251)})
    with pytest.raises(manifest.Unusable, match="ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"):
        manifest.judge_buckets({"one", "two"})
