"""The backend as a job runs it, with little to learn: whether it is useful is measured by benchmarks/finetune.py."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_edge import model
from tests.finetune.conftest import Images
from tests.unit.trainer import lab
from trainer import jobs, training
from trainer.backends import finetune
from trainer.tuning import graphs

OPTIONS = {"epochs": 2, "batch": 8, "warmup": 2, "threads": 1}


def spec(cache: Path, output: Path, images: Images, **changes: Any) -> str:
    job = json.loads(lab.job(cache, output, images))
    options = OPTIONS | changes.pop("options", {})
    return json.dumps({**job, "backend": "finetune", "options": options, **changes}, default=str)


def run(cache: Path, output: Path, images: Images, **changes: Any) -> jobs.Result:
    return training.run(jobs.Job.model_validate_json(spec(cache, output, images, **changes)), lambda *_: None)


@pytest.fixture(scope="module")
def first(cache: Path, pictures: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, jobs.Result]:
    """A model of a project's base images."""
    folder = tmp_path_factory.mktemp("v1") / "package"
    return folder, run(cache, folder, pictures)


def test_its_package_is_loaded_evaluated_and_judged(first: tuple[Path, jobs.Result]) -> None:
    folder, result = first

    loaded = model.Model(folder)
    loaded.self_test()
    assert loaded.manifest.graphs == ("tuned.onnx", "head.onnx")
    assert set(result.files) == {"model.json", "backbone.onnx", "tail.delta", "head.onnx"}
    assert result.shared == "backbone.onnx"
    assert result.evaluations["base"].images == 9  # type: ignore[index]
    assert result.evaluations["base"].accuracy.value > 0.8  # type: ignore[index, union-attr]
    sent = sum(file.size for name, file in result.files.items() if name not in {"backbone.onnx", "model.json"})
    assert sent < 1.5 * 2**20


def test_a_process_that_was_killed_goes_on_and_makes_the_same_files(
    first: tuple[Path, jobs.Result], cache: Path, pictures: Images, tmp_path: Path
) -> None:
    (tmp_path / "job.json").write_text(spec(cache, tmp_path / "a" / "package", pictures))
    command = [
        sys.executable,
        "-m",
        "trainer.training",
        *(str(tmp_path / f"{name}.json") for name in ("job", "result")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if json.loads(line)["step"] == "tuning on all images":
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (tmp_path / "job.json").write_text(spec(cache, tmp_path / "b" / "package", pictures))

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    steps = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["done"] for each in steps if each["step"] == "tuning"] == [60]  # 30 images, 2 epochs, all done before
    found = jobs.Result.model_validate_json((tmp_path / "result.json").read_bytes())
    assert found.files == first[1].files
    assert not list((cache / finetune.CHECKPOINTS).iterdir())


def test_it_starts_from_the_champion(
    first: tuple[Path, jobs.Result], cache: Path, original: bytes, pictures: Images, tmp_path: Path
) -> None:
    champion, _ = first

    result = run(cache, tmp_path / "package", pictures, champion=champion, options={"epochs": 1, "refit": False})

    tuned = graphs.tail(model.read(champion, model.Model(champion).manifest)["tuned.onnx"])
    start = finetune._start(champion, original)
    assert all(np.array_equal(start[name], value) for name, value in tuned.items())
    assert result.files["tail.delta"] != first[1].files["tail.delta"]
    assert model.Model(tmp_path / "package").manifest.files["backbone.onnx"] == result.files["backbone.onnx"]


def test_a_tail_alone_has_a_graph_as_large_as_the_backbone(cache: Path, pictures: Images, tmp_path: Path) -> None:
    images = [each | {"group": f"line-{number % 7}"} for number, each in enumerate(pictures)]

    result = run(cache, tmp_path / "package", images, options={"mix": False, "epochs": 1, "refit": False})

    loaded = model.Model(tmp_path / "package")
    assert loaded.manifest.rebuilt["tuned.onnx"].result.size == pytest.approx(result.files["backbone.onnx"].size, 0.01)
    assert loaded.manifest.novelty is not None


def test_with_very_few_images_nothing_is_estimated(cache: Path, pictures: Images, tmp_path: Path) -> None:
    few = [each for each in pictures if each["part"] == "train"][::8]
    few += [each for each in pictures if each["part"] == "train"][1::8]

    run(cache, tmp_path / "package", few, options={"epochs": 1})

    assert model.Model(tmp_path / "package").manifest.thresholds == {"ring": 0, "square": 0, "stripes": 0}
