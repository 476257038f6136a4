"""Who may ask, from the environment."""

import pytest
from pydantic import ValidationError

from custom_labels.settings import Settings


def test_the_services_own_key_pair_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert Settings().secrets() == {"AKID": "secret"}


def test_keys_of_others_take_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_CUSTOM_LABELS_KEYS", "ONE:a/b+c, TWO:two")

    assert Settings().secrets() == {"ONE": "a/b+c", "TWO": "two"}
    assert "two" not in repr(Settings())


def test_without_keys_every_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    assert Settings().secrets() == {}


@pytest.mark.parametrize("keys", ["AKID", "AKID:", ":secret", "A:b,,"])
def test_keys_that_cannot_be_read_stop_the_start(keys: str) -> None:
    with pytest.raises(ValidationError, match="pairs AKID:SECRET"):
        Settings(keys=keys)
