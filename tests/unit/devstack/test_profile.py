"""The key pair of a state folder and the files that name it."""

from pathlib import Path

import pytest

from strop_devstack.platform import profile
from strop_devstack.platform.errors import PlatformError


def test_the_key_pair_stays_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    assert profile.env(tmp_path) == profile.env(tmp_path)
    assert (tmp_path / "profile" / "credentials").stat().st_mode & 0o777 == 0o600


def test_a_damaged_config_is_made_anew(tmp_path: Path) -> None:
    profile.env(tmp_path)
    whole = (tmp_path / "profile" / "config").read_bytes()
    (tmp_path / "profile" / "config").write_bytes(b"")

    profile.env(tmp_path)

    assert (tmp_path / "profile" / "config").read_bytes() == whole


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_cut_key_pair_is_named_with_what_to_do(tmp_path: Path, left: int) -> None:
    profile.env(tmp_path)
    credentials = tmp_path / "profile" / "credentials"
    credentials.write_bytes(credentials.read_bytes()[:left])

    with pytest.raises(PlatformError, match=r"credentials is damaged: .* remove it to have a new key pair"):
        profile.env(tmp_path)
