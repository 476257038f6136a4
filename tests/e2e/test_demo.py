"""The demo in small: the whole loop as a user starts it, from a folder of images to a better model on every device."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from strop_devstack import render

LABELS = ("beer-mug", "soda-can", "wine-bottle")
PER_LABEL = 40


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("photographs")
    for label in LABELS:
        (tree / label).mkdir()
        for seed in range(PER_LABEL):
            (tree / label / f"{seed}.jpg").write_bytes(render.render(label, seed, field=0.3))
    return tree


@pytest.fixture(scope="module")
async def report(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `strop demo` says at its end."""
    state = tmp_path_factory.mktemp("demo")
    file = state / "report.json"
    options = ["--state", state / "state", "--images", photographs, "--devices", 12, "--exit", "--report", file]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "strop_cli",
        "demo",
        *map(str, options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return dict(json.loads(file.read_text()))


pytestmark = pytest.mark.timeout(400)


def test_nothing_is_lost_or_doubled(report: dict[str, Any]) -> None:
    assert report["captures"] > 0
    assert {key: report[key] for key in ("lost", "doubled", "unsettled", "disagreeing")} == {
        "lost": 0,
        "doubled": 0,
        "unsettled": 0,
        "disagreeing": 0,
    }


def test_every_wanted_image_came_home_and_was_labelled(report: dict[str, Any]) -> None:
    assert 0 < report["labels"] <= report["uploads"] <= report["captures"]


def test_a_second_model_was_trained_and_judged(report: dict[str, Any]) -> None:
    assert [model["version"] for model in report["models"]] == [1, 2]
    assert report["models"][0]["state"] == "approved"
    assert all(model["reasons"] for model in report["models"])


def test_each_approved_model_was_rolled_out_in_two_stages(report: dict[str, Any]) -> None:
    approved = [model["version"] for model in report["models"] if model["state"] == "approved"]

    assert [deployment["model"] for deployment in report["deployments"]] == approved
    assert all(
        deployment["state"] == "succeeded" and len(deployment["stages"]) == 2 for deployment in report["deployments"]
    )


def test_accuracy_comes_with_its_interval(report: dict[str, Any]) -> None:
    for key in ("accuracy_before", "accuracy_after"):
        found = report[key]

        assert 0 <= found["low"] < found["value"] <= found["high"] <= 1


def test_a_retrained_head_is_small(report: dict[str, Any]) -> None:
    assert report["head_bytes"] < 100_000 < report["model_bytes"]
    assert report["peak_memory_mb"] > 0
    assert report["seconds"]["total"] > 0
