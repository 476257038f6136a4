"""Labels must be fit for a folder."""

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
