"""How the values that messages share are read: labels, ids, shares and times."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from strop_wire import fields, hidden

NAMES = ["lost+found", "Thumbs.db", "@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", "\u017fystem volume information"]
"""Of hidden files and folders."""


def spelled(text: str) -> str:
    try:
        return fields.label(text)
    except fields.Malformed:
        reject()


texts = st.sampled_from(NAMES) | st.text(max_size=300) | st.text("aZ0 .%/\\25FEfe\u00a0\u0301\u200d\u212b", max_size=12)


@given(texts)
def test_a_label_has_one_spelling(text: str) -> None:
    label = spelled(text)

    assert fields.label(label) == label
    assert fields.label(f"\u3000{label}\n") == label
    assert fields.label(unicodedata.normalize("NFD", label)) == label
    assert label == label.strip() != ""


@given(texts)
def test_a_label_is_read_back_from_the_folder_it_has(text: str) -> None:
    label = spelled(text)

    folder = fields.folder_of(label)

    assert fields.label_of(folder) == label
    assert not set(folder) & set("/\\\0\n")
    assert hidden.part(folder) is None
    assert len(folder.encode()) <= 765


@given(texts)
def test_a_folder_is_malformed_or_names_a_label(text: str) -> None:
    try:
        label = fields.label_of(text)
    except fields.Malformed:
        return

    assert fields.label_of(fields.folder_of(label)) == label


@given(texts, texts)
def test_two_labels_have_two_folders(one: str, other: str) -> None:
    first, second = spelled(one), spelled(other)

    assert (first == second) is (fields.folder_of(first) == fields.folder_of(second))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("N/A", "N/A"),
        ("OK/NOK", "OK/NOK"),
        ("a\\b", "a\\b"),
        ("..", ".."),
        ("rose ", "rose"),
        ("\trose\r\n", "rose"),
        ("eau\u00a0plate", "eau plate"),
        ("\u8d64\u3000\u82b1", "\u8d64 \u82b1"),
        ("a \u2009 b", "a b"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u06af\u0644\u200c\u0631\u0632", "\u06af\u0644\u200c\u0631\u0632"),  # Persian, with a non-joiner
        ("\u0d9a\u0dca\u200d\u0dc2", "\u0d9a\u0dca\u200d\u0dc2"),  # Sinhala, with a joiner
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
        ("x" * 255, "x" * 255),
        ("/" * 255, "/" * 255),
        ("\u8d64" * 255, "\u8d64" * 255),
    ],
)
def test_what_people_write_is_a_label(text: str, label: str) -> None:
    assert fields.label(text) == label
    assert fields.label_of(fields.folder_of(label)) == label


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("N/A", "N%2FA"),
        ("a\\b", "a%5Cb"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        (".5 l", "%2E5 l"),
        ("..", "%2E."),
        ("v1.2", "v1.2"),
        ("rose", "rose"),
        ("lost+found", "%6Cost+found"),
        ("Thumbs.db", "%54humbs.db"),
        ("@eaDir", "%40eaDir"),
        ("%54humbs.db", "%2554humbs.db"),
        ("%40home", "%2540home"),
    ],
)
def test_a_folder_escapes_what_no_folder_can_hold(label: str, folder: str) -> None:
    assert fields.folder_of(label) == folder
    assert fields.label_of(folder) == label


@pytest.mark.parametrize(
    ("folder", "label"), [("50%", "50%"), ("5%2f6", "5/6"), ("rose ", "rose"), ("%2G", "%2G"), ("%40home", "%40home")]
)
def test_a_folder_made_by_hand_names_a_label(folder: str, label: str) -> None:
    assert fields.label_of(folder) == label


@pytest.mark.parametrize("folder", ["", ".", "..", ".git", ".5 l", *NAMES])
def test_a_hidden_folder_names_no_label(folder: str) -> None:
    with pytest.raises(fields.Malformed):
        fields.label_of(folder)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "expected a text, got None"),
        (3, "expected a text, got 3"),
        ("", "is empty"),
        (" \u3000 ", "is empty"),
        ("\u200d\ufe0f", "is empty"),
        ("x" * 256, "has 256 characters, the limit is 255"),
        ("\U0001f469" * 255, "takes 1020 bytes as a folder, the limit is 765"),
        ("a\tb", r"U\+0009 \(a control character\)"),
        ("a\nb", r"U\+000A"),
        ("a\0b", r"U\+0000"),
        ("a\x85b", r"U\+0085"),
        ("a\u202eb", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\)"),
        ("\ufeffrose", r"U\+FEFF"),
        ("a\u200bb", r"U\+200B \(ZERO WIDTH SPACE\)"),
        ("a\ufffeb", r"U\+FFFE"),
        ("\ud800", r"U\+D800 \(half of a surrogate pair\)"),
    ],
)
def test_what_cannot_be_a_label_is_malformed_with_rule_and_character(value: object, reason: str) -> None:
    with pytest.raises(fields.Malformed, match=reason):
        fields.label(value)


@pytest.mark.parametrize(
    ("value", "share"), [(1.0000001192092896, 1.0), (1.0000005, 1.0), (-1e-7, 0.0), (1, 1.0), (0, 0.0), (0.25, 0.25)]
)
def test_what_float32_makes_of_one_and_zero_is_one_and_zero(value: float, share: float) -> None:
    assert fields.share({"confidence": value}, "confidence") == share


@pytest.mark.parametrize("value", [1.00001, -0.00001, 2, float("nan"), True, "1", None])
def test_what_is_no_share_is_malformed(value: object) -> None:
    with pytest.raises(fields.Malformed, match="expected a number from 0 to 1"):
        fields.share({"confidence": value}, "confidence")


@pytest.mark.parametrize(
    "value",
    [
        "2016-12-31T23:59:60Z",
        "2016-12-31 23:59:60",
        "20161231T235960Z",
        "2017-01-01T08:59:60+09:00",
        "2017-01-01T05:29:60+05:30",
    ],
)
def test_a_leap_second_is_the_second_after_it(value: str) -> None:
    assert fields.time({"at": value}, "at") == datetime(2017, 1, 1, tzinfo=UTC)


def test_a_leap_second_keeps_its_fraction() -> None:
    assert fields.time({"at": "2016-12-31T23:59:60.25Z"}, "at") == datetime(2017, 1, 1, 0, 0, 0, 250_000, UTC)


@pytest.mark.parametrize(
    "value", ["2016-12-31T12:00:60Z", "2016-12-31T23:59:61Z", "2016-12-31T23:59:60+09:00", "9999-12-31T23:59:60Z"]
)
def test_a_second_60_that_is_no_leap_second_is_malformed(value: str) -> None:
    with pytest.raises(fields.Malformed, match="expected an ISO 8601 time"):
        fields.time({"at": value}, "at")


ID = "12345678-9abc-7def-8123-456789abcdef"


def test_an_id_is_read_in_small_letters() -> None:
    assert fields.uuid({"id": ID.upper()}, "id") == ID


@pytest.mark.parametrize(
    "value",
    [None, 3, "", ID[:-1], ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", f"1-{ID[1:]}", f"\u0661{ID[1:]}"],
)
def test_what_others_would_not_read_as_an_id_is_malformed(value: object) -> None:
    with pytest.raises(fields.Malformed):
        fields.uuid({"id": value}, "id")
