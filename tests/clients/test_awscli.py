"""docs/walkthrough-flowers.md with Debian's AWS CLI, a version 2 that wants to be told every address."""

import json
import subprocess
from pathlib import Path

import pytest

from strop_cli import render
from tests import walkthrough

pytestmark = pytest.mark.timeout(600)

DEBIANS = Path("/usr/bin/aws")
SHIM = f"""\
#!/bin/sh
case $1 in
  s3) set -- --endpoint-url "$AWS_ENDPOINT_URL_S3" "$@" ;;
  rekognition) set -- --endpoint-url "$AWS_ENDPOINT_URL_REKOGNITION" "$@" ;;
esac
exec {DEBIANS} "$@"
"""
LABELS = {"1": "beer-mug", "2": "soda-can", "3": "wine-bottle"}
NAMES = {"1": "pink primrose", "2": "hard-leaved pocket orchid", "3": "canterbury bells"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rendered images in folders that are numbers, and what to call them."""
    for part, seeds in (("train", range(12)), ("valid", range(100, 104))):
        for number, label in LABELS.items():
            place = tmp_path / "flowers" / part / number
            place.mkdir(parents=True)
            for seed in seeds:
                (place / f"{seed}.jpg").write_bytes(render.render(label, seed))
    (tmp_path / "cat_to_name.json").write_text(json.dumps(NAMES))
    return tmp_path


@pytest.fixture
def aws(tmp_path: Path) -> Path:
    """A folder with an `aws` that adds the address to what the page says, as its last but one section tells people."""
    assert DEBIANS.exists(), "AWS CLI missing. On Debian: sudo apt install awscli"
    version = subprocess.run([DEBIANS, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith("aws-cli/2.")
    shim = tmp_path / "bin" / "aws"
    shim.parent.mkdir()
    shim.write_text(SHIM)
    shim.chmod(0o755)
    return shim.parent


def test_the_commands_of_the_page_work_with_debians_client(folder: Path, aws: Path) -> None:
    with walkthrough.up(folder):
        printed = walkthrough.run(folder, aws)

    assert "flowers TRAIN: 36 images, 36 of them with one of 3 labels, 0 bad" in printed
    assert '"Name": "pink primrose"' in printed
    assert (folder / "summary.json").exists()
