"""docs/walkthrough-flowers.md, command by command, with the AWS CLI and boto3, on real photographs of twelve flowers.

`STROP_DATA` says where the photographs are: `flowers12/train/LABEL/*.jpg`, `flowers12/test/LABEL/*.jpg`.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests import walkthrough

pytestmark = pytest.mark.timeout(1200)

FLOWERS = Path(os.environ.get("STROP_DATA", walkthrough.ROOT.parent / "shared" / "data")) / "flowers12"
CALLED = {"colts-foot": "colt's foot", "lily-valley": "lily of the valley", "bluebell": "pink primrose"}
"""Names as in the original's `cat_to_name.json`, with spaces; the page asks for pink primroses, which are not among these."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The images as the original has them: folders are numbers, and a file says what they are called."""
    names = {}
    for number, label in enumerate(sorted(each.name for each in (FLOWERS / "train").iterdir()), 1):
        names[str(number)] = CALLED.get(label, label)
        for ours, theirs in (("train", "train"), ("test", "valid")):
            shutil.copytree(FLOWERS / ours / label, tmp_path / "flowers" / theirs / str(number))
    (tmp_path / "cat_to_name.json").write_text(json.dumps(names))
    return tmp_path


def test_the_commands_of_the_page_work_on_twelve_flowers(folder: Path) -> None:
    with walkthrough.up(folder):
        printed = walkthrough.run(folder)

    summary = json.loads((folder / "summary.json").read_text())
    # Measured: 0.963, with the images that were rejected as unknown counted as missed. A floor against a broken chain, not
    # the aim: how good models are, and ought to be, is what benchmarks/flowers.py says.
    assert summary["AggregatedEvaluationResults"]["F1Score"] >= 0.94
    assert summary["EvaluationDetails"]["NumberOfTestingImages"] == 240
    assert "flowers TRAIN: 720 images, 720 of them with one of 12 labels, 0 bad" in printed
    assert "lily of the valley" in printed
