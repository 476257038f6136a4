"""What every backend must do, whatever it learns."""

import json
import sys
from pathlib import Path

import pytest

from strop_edge.model import Model
from tests.unit.trainer import lab
from trainer import backends, jobs, training
from trainer.backends import base

TRAINABLE = [name for name in backends.NAMES if name != "finetune"]  # needs PyTorch: tests/finetune


def run(cache: Path, output: Path, images: list[dict[str, object]], **changes: object) -> jobs.Result:
    job = json.loads(lab.job(cache, output, images)) | changes
    return training.run(jobs.Job.model_validate_json(json.dumps(job, default=str)), lambda *_: None)


@pytest.mark.parametrize("backend", TRAINABLE)
def test_its_package_is_loaded_evaluated_and_judged(tmp_path: Path, cache: Path, backend: str) -> None:
    images = lab.items(tmp_path / "images")
    images[-1]["sha256"] = "f" * 64  # no cache has its features
    Path(images[-1]["path"]).write_bytes(b"no image")

    result = run(cache, tmp_path / "v1" / "package", images, backend=backend)

    loaded = Model(tmp_path / "v1" / "package")
    loaded.self_test()
    assert loaded.labels == ("ring", "square", "stripes")
    assert result.files == {**loaded.manifest.files, "model.json": result.files["model.json"]}
    assert set(loaded.manifest.graphs) <= result.files.keys()
    assert json.loads((tmp_path / "v1/package/model.json").read_bytes())["backend"] == backend
    assert result.evaluations["base"].images == 8  # type: ignore[index]
    assert [each.reason for each in result.evaluations["base"].skipped] == [  # type: ignore[index]
        "neither JPEG, PNG nor WebP"
    ]


@pytest.mark.parametrize("backend", TRAINABLE)
def test_the_same_images_give_the_same_files(tmp_path: Path, cache: Path, backend: str) -> None:
    images = lab.items(tmp_path / "images")

    one, two = (run(cache, tmp_path / name / "package", images, backend=backend) for name in ("a", "b"))

    assert one.files == two.files


def test_a_constant_model_is_refused_by_the_gate(tmp_path: Path, cache: Path) -> None:
    result = run(cache, tmp_path / "v1" / "package", lab.items(tmp_path / "images"), backend="constant")

    assert result.state == "refused"


def test_a_champion_of_another_backend_is_compared(tmp_path: Path, cache: Path) -> None:
    images = lab.items(tmp_path / "images")
    champion = tmp_path / "v1" / "package"
    run(cache, champion, images, backend="constant")

    result = run(cache, tmp_path / "v2" / "package", images, champion=champion)

    assert result.state == "approved", result.reasons


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("tail", {}, "expected one of head, finetune, constant, got 'tail'"),
        ("constant", {"strengths": [1]}, "has no option strengths"),
        ("head", {"strength": 1}, "strength Extra inputs are not permitted"),
        ("head", {"strengths": []}, "strengths Tuple should have at least 1 item"),
    ],
)
def test_unknown_names_and_options_are_refused(name: str, options: dict[str, object], reason: str) -> None:
    with pytest.raises(base.CannotTrain, match=reason):
        backends.build(name, options)


def test_the_values_to_choose_from_are_options(tmp_path: Path, cache: Path) -> None:
    images = lab.items(tmp_path / "images")

    run(cache, tmp_path / "v1" / "package", images, options={"strengths": [5], "weights": []})

    assert json.loads((tmp_path / "v1/package/model.json").read_bytes())["strength"] == 5


def test_without_pytorch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(base.CannotTrain, match=r"needs PyTorch.*extra `finetune`"):
        backends.build("finetune", {})


def test_bad_options_of_fine_tuning_are_refused_without_pytorch() -> None:
    with pytest.raises(base.CannotTrain, match="lr Input should be greater than 0"):
        backends.build("finetune", {"lr": -1})
