"""Documents as they are stored: equal documents give equal bytes, and what does not fit is refused by its place."""

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.dialects import postgresql

from strop_contracts import documents
from strop_contracts.tables import base

ITEM = documents.Item(
    sha256="a" * 64, label="ring", part=documents.Part.TRAIN, origin=documents.Origin.BASE, group="g", source="k"
)
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def test_lines_read_back_are_equal_and_give_the_same_bytes() -> None:
    body = documents.lines([ITEM, ITEM])

    assert documents.Item.read(body) == [ITEM, ITEM]
    assert documents.lines(documents.Item.read(body)) == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "line 2: Invalid JSON"),
        (b"{}", "line 2: sha256: Field required"),
        (documents.lines([ITEM]).replace(b'"train"', b'"test"'), "line 2: part: Input should be"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_with_its_number(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        documents.Item.read(documents.lines([ITEM]) + body)


def test_unknown_fields_of_a_line_are_ignored() -> None:
    assert documents.Item.read(documents.lines([ITEM]).replace(b"{", b'{"weight": 2, ')) == [ITEM]


@pytest.mark.parametrize("name", ["../head.onnx", "a/b.onnx", ".hidden", "", "x" * 65, "a\n"])
def test_a_file_name_with_a_path_is_refused(name: str) -> None:
    file = {"sha256": "0" * 64, "size": 1, "key": "k"}

    with pytest.raises(ValidationError):
        TypeAdapter(documents.Files).validate_python({name: file})


def test_a_column_returns_the_document_that_was_written() -> None:
    column = base.Document(documents.Files)
    files = {"model.json": documents.StoredFile(sha256="0" * 64, size=1, key="k")}

    stored = column.process_bind_param(files, DIALECT)

    assert stored == {"model.json": {"sha256": "0" * 64, "size": 1, "key": "k"}}
    assert column.process_result_value(stored, DIALECT) == files


def test_a_column_refuses_another_document() -> None:
    with pytest.raises(ValidationError):
        base.Document(documents.Files).process_bind_param({"model.json": {"size": 0}}, DIALECT)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ({}, ""),
        ({"step": "head"}, "head"),
        ({"step": "head", "done": 1, "total": 3}, "head 1 of 3"),
        ({"step": "tuning", "done": 32, "total": 960, "left": 61.4}, "tuning 32 of 960, 61 s left"),
        ({"step": "tuning", "done": 32, "total": 960, "left": 400}, "tuning 32 of 960, 7 min left"),
    ],
)
def test_progress_is_written_for_people(progress: dict[str, object], words: str) -> None:
    assert documents.Progress.model_validate(progress).words == words
