"""docs/walkthrough-flowers.md with Debian's AWS CLI, a version 2 that reads no endpoint from the environment."""

import subprocess
from pathlib import Path

import pytest

from tests import walkthrough

pytestmark = pytest.mark.timeout(600)

DEBIANS = Path("/usr/bin/aws")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    walkthrough.rendered(tmp_path)
    return tmp_path


@pytest.fixture
def aws() -> Path:
    """Return the folder of Debian's `aws`."""
    assert DEBIANS.exists(), "AWS CLI missing. On Debian: sudo apt install awscli"
    version = subprocess.run([DEBIANS, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith("aws-cli/2.")
    return DEBIANS.parent


def test_the_commands_of_the_page_work_with_debians_client(folder: Path, aws: Path) -> None:
    with walkthrough.up(folder):
        printed = walkthrough.run(folder, aws)

    assert "flowers TRAIN: 36 images, 36 of them with one of 3 labels, 0 bad" in printed
    assert '"Name": "pink primrose"' in printed
    assert (folder / "summary.json").exists()
