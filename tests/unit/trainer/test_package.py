import dataclasses
import hashlib
import json

import numpy as np
import pytest

from strop_edge import manifest, model
from tests.unit.trainer import lab
from trainer import backbone, gaussian, head, package

SOURCE = package.Source("v7", "shapes", "3", "2026-01-01T00:00:00+00:00", backbone.LITE0)
LABELS = ["ring", "square"]


@pytest.fixture
def trained():
    dice = np.random.default_rng(0)
    weights = dice.normal(size=(2, backbone.FEATURES)).astype(np.float32)
    shape = gaussian.Gaussian(weights, np.zeros(2, np.float32), np.ones(2, np.float32), weights[0])
    return head.Head(weights, np.zeros(2, np.float32), 10.0, 0.8, (0.25, 0.0), (0.4, 0.6), shape, 0.7)


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{label}.jpg" for label in LABELS]
    for path in paths:
        path.write_bytes(lab.picture(path.stem, 1))
    return paths


@pytest.fixture
def written(tmp_path, trained, backbone_file, pictures):
    folder = tmp_path / "package"
    return folder, package.write(folder, SOURCE, LABELS, trained, backbone_file, pictures)


def test_a_device_takes_the_package(written):
    folder, _ = written

    loaded = model.Model(folder)

    loaded.self_test()
    assert loaded.version == "v7"
    assert loaded.labels == ("ring", "square")
    assert loaded.manifest.thresholds == {"ring": 0.25, "square": 0.0}
    assert loaded.manifest.assumed_thresholds == {"ring": 0.4, "square": 0.6}
    assert loaded.manifest.novelty == 0.7
    assert len(loaded.manifest.samples) == 2


def test_hashes_and_sizes_are_those_of_the_files(written):
    folder, files = written

    assert set(files) == {"model.json", "head.onnx", "backbone.onnx"}
    for name, file in files.items():
        data = (folder / name).read_bytes()
        assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_backbone_is_the_shared_one_and_the_rest_is_small(written):
    _, files = written

    assert files["backbone.onnx"].sha256 == backbone.SHA256
    assert files["head.onnx"].size + files["model.json"].size < 50_000


def test_the_manifest_says_where_the_model_comes_from(written):
    folder, _ = written

    said = json.loads((folder / "model.json").read_bytes())

    assert {key: said[key] for key in ("version", "project", "dataset", "created_at", "backbone", "temperature")} == {
        "version": "v7",
        "project": "shapes",
        "dataset": "3",
        "created_at": "2026-01-01T00:00:00+00:00",
        "backbone": "lite0",
        "temperature": 0.8,
    }


def test_a_package_is_never_written_over_another(written, trained, backbone_file):
    folder, _ = written

    with pytest.raises(FileExistsError):
        package.write(folder, SOURCE, LABELS, trained, backbone_file, [])


def test_a_head_that_does_not_fit_its_labels_is_no_package(tmp_path, trained, backbone_file):
    three = dataclasses.replace(trained, thresholds=(0, 0, 0), assumed=(0, 0, 0))

    with pytest.raises(manifest.BadModel, match="3 labels"):
        package.write(tmp_path / "bad", SOURCE, [*LABELS, "stripes"], three, backbone_file, [])
