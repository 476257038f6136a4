"""docs/walkthrough-flowers.md, command by command, with the AWS CLI and boto3.

On real photographs of twelve flowers where they are (`STROP_DATA`: flowers12/train/LABEL/*.jpg, flowers12/test/LABEL/*.jpg;
they may not be handed on, so they are not in the repository), else on rendered images.
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


def photographs(folder: Path) -> None:
    """Put the images there as the original has them: folders are numbers, and a file says what they are called."""
    names = {}
    for number, label in enumerate(sorted(each.name for each in (FLOWERS / "train").iterdir()), 1):
        names[str(number)] = CALLED.get(label, label)
        for ours, theirs in (("train", "train"), ("test", "valid")):
            shutil.copytree(FLOWERS / ours / label, folder / "flowers" / theirs / str(number))
    (folder / "cat_to_name.json").write_text(json.dumps(names))


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    (photographs if FLOWERS.exists() else walkthrough.rendered)(tmp_path)
    counts = {part: len(list((tmp_path / "flowers" / part).glob("*/*.jpg"))) for part in ("train", "valid")}

    with walkthrough.up(tmp_path):
        printed = walkthrough.run(tmp_path)

    assert f"flowers TRAIN: {counts['train']} images, {counts['train']} of them with one of" in printed
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["EvaluationDetails"]["NumberOfTestingImages"] == counts["valid"]
    # A floor against a broken chain, not the aim: benchmarks/flowers.py says how good models of the photographs are.
    assert summary["AggregatedEvaluationResults"]["F1Score"] >= 0.7
