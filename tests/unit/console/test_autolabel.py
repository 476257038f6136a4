"""Which folder becomes which label, and what the manifest says of it."""

import json
from datetime import UTC, datetime

import pytest

from console import autolabel
from strop_contracts import errors

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
PREFIX = "datasets/flowers/train/"


def test_the_first_folder_below_the_prefix_is_the_label_and_deeper_ones_do_not_count() -> None:
    keys = [f"{PREFIX}{name}" for name in ("pink primrose/a.jpg", "rose/2024/field/b.JPEG", "rose/ü+.png")]

    assert dict(autolabel.read(keys, PREFIX, {}).images) == {
        f"{PREFIX}pink primrose/a.jpg": "pink primrose",
        f"{PREFIX}rose/2024/field/b.JPEG": "rose",
        f"{PREFIX}rose/ü+.png": "rose",
    }


def test_an_image_at_the_prefix_itself_has_no_label() -> None:
    assert dict(autolabel.read([f"{PREFIX}a.jpg"], PREFIX, {"": "no"}).images) == {f"{PREFIX}a.jpg": None}


def test_what_is_no_image_is_left_out_and_markers_of_folders_are_not_even_mentioned() -> None:
    found = autolabel.read([PREFIX, f"{PREFIX}rose/", f"{PREFIX}rose/empty.tmp", f"{PREFIX}rose/a.webp"], PREFIX, {})

    assert not found.images
    assert list(found.left_out) == [f"{PREFIX}rose/empty.tmp", f"{PREFIX}rose/a.webp"]


def test_hidden_folders_are_left_out_and_named_once() -> None:
    below = (
        "rose/1.jpg",
        ".ipynb_checkpoints/1.jpg",
        ".ipynb_checkpoints/2.jpg",
        "rose/._1.jpg",
        "__MACOSX/rose/._1.jpg",
    )

    found = autolabel.read([f".hidden/{path}" for path in below], ".hidden/", {})

    assert (found.labels, list(found.images)) == (["rose"], [".hidden/rose/1.jpg"])
    hidden = (".hidden/.ipynb_checkpoints", ".hidden/rose/._1.jpg", ".hidden/__MACOSX")
    assert dict(found.left_out) == dict.fromkeys(hidden, "hidden")


def test_folders_are_renamed_and_those_without_a_name_keep_theirs() -> None:
    found = autolabel.read(["1/a.jpg", "10/b.jpg", "moss/c.jpg"], "", {"1": "pink primrose", "10": "globe thistle"})

    assert found.labels == ["globe thistle", "moss", "pink primrose"]


@pytest.mark.parametrize(
    ("folder", "label"), [("N%2FA", "N/A"), ("rose ", "rose"), ("cafe\u0301", "caf\u00e9"), ("50%", "50%")]
)
def test_a_folder_names_its_label_in_the_one_spelling(folder: str, label: str) -> None:
    assert autolabel.read([f"{folder}/a.jpg"], "", {}).labels == [label]


def test_a_name_given_to_a_folder_may_have_any_characters_of_a_label() -> None:
    assert autolabel.read(["1/a.jpg", "2/b.jpg"], "", {"1": "OK/NOK ", "2": "50%25"}).labels == ["50%25", "OK/NOK"]


@pytest.mark.parametrize("called", [{}, {"a\u202eb": "c\u202ed"}])
def test_a_folder_that_names_no_label_is_refused_by_its_name_with_the_reason(called: dict[str, str]) -> None:
    with pytest.raises(errors.Refused, match=r"folder 'a\\u202eb': label .* holds U\+202E"):
        autolabel.read(["a\u202eb/a.jpg"], "", called)


def test_a_line_of_the_manifest_is_what_ground_truth_writes() -> None:
    listing = autolabel.Listing({"t/b/x.jpg": "b", "t/pink primrose/é.jpg": "pink primrose", "t/z.jpg": None}, {})

    lines = autolabel.manifest("mine", listing, AT)

    assert all(line.endswith("\n") for line in lines)
    assert [json.loads(line) for line in lines][1:] == [
        {
            "source-ref": "s3://mine/t/pink primrose/é.jpg",
            "label": 1,
            "label-metadata": {
                "class-name": "pink primrose",
                "confidence": 1,
                "human-annotated": "yes",
                "creation-date": "2026-11-22T08:00:00.000",
                "type": "groundtruth/image-classification",
                "job-name": "import",
            },
        },
        {"source-ref": "s3://mine/t/z.jpg"},
    ]


def test_an_update_is_cut_between_lines_and_no_piece_is_over_the_limit() -> None:
    lines = [f"{number}{'ü' * 10}\n" for number in range(10)]

    pieces = autolabel.batches(lines, limit=70)

    assert b"".join(pieces).decode() == "".join(lines)
    assert [len(piece) for piece in pieces] == [66, 66, 66, 22]


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [
        ("s3://b/d/train/", "b", "d/train/"),
        ("s3://b/d/train", "b", "d/train/"),
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
    ],
)
def test_a_place_ends_with_a_slash(uri: str, bucket: str, prefix: str) -> None:
    assert autolabel.place(uri) == autolabel.Place(bucket, prefix)


@pytest.mark.parametrize("uri", ["s3:///d", "folder", "http://b/d", "s3:b"])
def test_what_is_no_place_is_refused(uri: str) -> None:
    with pytest.raises(errors.Refused, match="expected s3://BUCKET/FOLDER/"):
        autolabel.place(uri)


@pytest.mark.parametrize("text", ["", "[]", '{"1": 2}', '{"1": " "}', "{"])
def test_names_that_are_not_an_object_of_texts_are_refused(text: str) -> None:
    with pytest.raises(errors.Refused, match="names"):
        autolabel.names(text.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_names_may_begin_with_a_byte_order_mark(encoding: str) -> None:
    assert autolabel.names('{"1": "rosé"}'.encode(encoding)) == {"1": "rosé"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_names_in_utf_16_are_refused_in_words(encoding: str) -> None:
    with pytest.raises(errors.Refused, match="the names are in UTF-16: save the file as UTF-8"):
        autolabel.names('{"1": "rosé"}'.encode(encoding))


def test_names_in_another_encoding_are_refused_with_the_line() -> None:
    with pytest.raises(errors.Refused, match=r"not in UTF-8 \(line 2 holds the byte 0xe9\)"):
        autolabel.names('{\n"1": "rosé"}'.encode("latin-1"))


def test_errors_of_a_line_and_of_its_labels_are_returned() -> None:
    entry = {
        "source-ref": "s3://b/a.jpg",
        "label-metadata": {"cl-errors": [{"code": "ERROR_A", "message": "one"}]},
        "cl-errors": [{"code": "ERROR_B", "message": "two"}],
        "cl-metadata": {"is_labeled": False},
    }

    assert autolabel.wrong(entry) == ["ERROR_B: two", "ERROR_A: one"]
