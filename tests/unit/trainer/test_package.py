import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from strop_edge import image, manifest, model
from tests.unit.trainer import lab
from trainer import backbone, gaussian, head, jobs, package
from trainer.backends import base

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


def job(folder):
    about = {"version": "v7", "project": "shapes", "dataset": "3", "created_at": "2026-01-01T00:00:00+00:00"}
    return jobs.Job(**about, images=(), cache=folder, output=folder)


@pytest.fixture
def folder(tmp_path, trained, backbone_file):
    """The graphs, as a backend leaves them."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "head.onnx").write_bytes(head.export(trained))
    shutil.copyfile(backbone_file, folder / "backbone.onnx")
    return folder


@pytest.fixture
def made(trained):
    facts = {"backbone": backbone.LITE0, "temperature": trained.temperature, "version": "of the backend"}
    about = (trained.thresholds, trained.assumed, trained.novelty)
    return base.Trained(("backbone.onnx", "head.onnx"), image.STANDARD, *about, facts)


@pytest.fixture
def written(folder, made, pictures):
    return folder, package.write(job(folder), LABELS, made, pictures)


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


def test_a_head_that_does_not_fit_its_labels_is_no_package(folder, made):
    three = dataclasses.replace(made, thresholds=(0, 0, 0), assumed=(0, 0, 0))

    with pytest.raises(manifest.BadModel, match="3 labels"):
        package.write(job(folder), [*LABELS, "stripes"], three, [])


def test_of_the_input_only_what_differs_from_the_default_is_written(folder, made):
    usual = package._input(made.input)
    other = package._input(dataclasses.replace(made.input, layout="nchw", mean=(0.5,) * 3, std=(0.5,) * 3))

    assert usual == {"size": 224, "resize": 256}
    assert image.Input.read(json.loads(json.dumps(other))).layout == "nchw"
