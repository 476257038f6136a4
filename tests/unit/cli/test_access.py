"""Where a command finds the address of Strop and its token."""

from pathlib import Path

import pytest

from strop_cli import access, envfile
from strop_contracts import errors


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that names no Strop, and the file of `strop login`, which does not exist yet."""
    for name in ("STROP_URL", "STROP_TOKEN", "STROP_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = access.config()
    path.parent.mkdir()
    return path


def test_unknown_address_is_refused_with_the_ways_to_give_it() -> None:
    with pytest.raises(errors.Refused, match=r"strop login URL.*STROP_URL and STROP_TOKEN.*--state DIR"):
        access.find(None)


def test_environment_takes_precedence_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    envfile.write(config, {"STROP_URL": "http://file", "STROP_TOKEN": "file"})
    assert access.find(None) == access.Access("http://file", "file")

    monkeypatch.setenv("STROP_URL", "http://env")
    monkeypatch.setenv("STROP_TOKEN", "env")

    assert access.find(None) == access.Access("http://env", "env")


def test_token_of_the_file_is_not_sent_to_another_address(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    envfile.write(config, {"STROP_URL": "http://file", "STROP_TOKEN": "file"})
    monkeypatch.setenv("STROP_URL", "http://elsewhere")

    with pytest.raises(errors.Refused, match="STROP_TOKEN is not set: run `strop login http://elsewhere`"):
        access.find(None)


def test_token_may_be_a_secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strop_token").write_text("secret\n")
    monkeypatch.setenv("STROP_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("STROP_URL", "http://console")

    assert access.find(None) == access.Access("http://console", "secret")


def test_environment_with_an_empty_address_leads_to_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    envfile.write(config, {"STROP_URL": "http://file", "STROP_TOKEN": "file"})
    monkeypatch.setenv("STROP_URL", "")

    assert access.find(None) == access.Access("http://file", "file")


def test_damaged_file_is_named_with_its_remedy(config: Path) -> None:
    config.write_text("export STROP_URL='http")

    with pytest.raises(errors.StropError, match=r"login\.env cannot be read: `strop login URL` writes it again"):
        access.find(None)


@pytest.mark.parametrize("token", ["two words", "line\nline", "tökén"])
def test_token_with_other_characters_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_URL", "http://console")
    monkeypatch.setenv("STROP_TOKEN", token)

    with pytest.raises(errors.Refused, match="the token has characters that no token has"):
        access.find(None)
