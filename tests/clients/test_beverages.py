"""docs/walkthrough-beverages.md, command by command, with the AWS CLI and the MQTT clients of Mosquitto."""

import json
from pathlib import Path

import pytest

from tests import walkthrough

pytestmark = pytest.mark.timeout(1800)


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with walkthrough.up(tmp_path):
        printed = walkthrough.run(tmp_path, page=walkthrough.BEVERAGES)

    answers = [json.loads(line) for line in printed.splitlines() if line.startswith('{"') and '"label"' in line]
    assert [(answer["model"], answer["request"]) for answer in answers] == [("v1", "1"), ("v1", None), ("v2", None)]
    assert [answer["label"] for answer in answers[:2]] == ["soda-can"] * 2
    assert "soda-cans (new?)" in printed
    assert "the folder 'soda-cans' is the label 'soda-can'; images that waited: 1" in printed
