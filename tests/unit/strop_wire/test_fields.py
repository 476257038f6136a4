"""Labels must be fit for a folder, ids for everything else that reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop_wire import fields


@given(st.text(max_size=120))
def test_a_label_is_malformed_or_can_be_a_folder(text: str) -> None:
    try:
        label = fields.label(text)
    except fields.Malformed:
        return

    assert label == label.strip() == fields.label(label)
    assert not set(label) & set("/\\\0\n")
    assert label not in {"", ".", ".."}
    assert label.encode()


@pytest.mark.parametrize("value", [None, 3, "", "  ", "x" * 101, "a/b", "a\\b", "..", "a\tb", "\u202e", "\ud800"])
def test_what_cannot_be_a_label_is_malformed(value: object) -> None:
    with pytest.raises(fields.Malformed):
        fields.label(value)


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
