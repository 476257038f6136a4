import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from strop_edge import image, manifest, model
from strop_wire import messages
from tests.unit.trainer import lab
from trainer import backbone, evaluation, features, gaussian, head, jobs, package
from trainer.backends import base
from trainer.tuning import graphs, shipping

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
def written(folder, made):
    return folder, package.write(job(folder), LABELS, made)


def test_a_device_takes_the_package(written):
    folder, _ = written

    loaded = model.Model(folder)

    loaded.self_test()
    assert loaded.version == "v7"
    assert loaded.labels == ("ring", "square")
    assert loaded.manifest.thresholds == {"ring": 0.25, "square": 0.0}
    assert loaded.manifest.assumed_thresholds == {"ring": 0.4, "square": 0.6}
    assert loaded.manifest.novelty == 0.7
    assert len(loaded.manifest.samples) == 3


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
        package.write(job(folder), [*LABELS, "stripes"], three)


@pytest.fixture
def rebuilt(tmp_path, trained, backbone_file):
    """A package whose first graph has another tail than the backbone, as the backend `finetune` leaves it."""
    folder = tmp_path / "rebuilt"
    folder.mkdir()
    original = backbone_file.read_bytes()
    tensors = {name: value * np.float32(1.01) for name, value in graphs.tail(original).items()}
    shipment = shipping.ship(original, tensors, average=False)
    files = {"backbone.onnx": original, "tail.delta": shipment.delta, "head.onnx": head.export(trained)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    result = messages.ModelFile(hashlib.sha256(shipment.graph).hexdigest(), len(shipment.graph))
    about = (trained.thresholds, trained.assumed, trained.novelty)
    parts = {"tuned.onnx": manifest.Rebuilt("backbone.onnx", "tail.delta", result)}
    return folder, base.Trained(("tuned.onnx", "head.onnx"), image.STANDARD, *about, rebuilt=parts)


def test_a_rebuilt_graph_is_described_and_only_its_parts_are_shipped(rebuilt):
    folder, made = rebuilt

    files = package.write(job(folder), LABELS, made)

    loaded = model.Model(folder)
    assert set(files) == {"model.json", "backbone.onnx", "tail.delta", "head.onnx"}
    assert loaded.manifest.rebuilt == made.rebuilt
    assert made.shared == "backbone.onnx"


def test_a_rebuilt_graph_is_evaluated_from_cached_features(rebuilt, pictures, tmp_path):
    folder, made = rebuilt
    package.write(job(folder), LABELS, made)
    shown = [features.View(image.sha256(path.read_bytes()), path) for path in pictures]
    loaded = model.Model(folder)

    for _ in ("computed", "cached"):
        probabilities, _ = evaluation.assess(loaded, folder, shown, tmp_path / "cache", lambda *_: None)

        wanted = loaded.predict(np.stack([loaded.prepare(path.read_bytes()) for path in pictures]))
        assert np.allclose(probabilities, wanted, atol=1e-4)


def test_of_the_input_only_what_differs_from_the_default_is_written(folder, made):
    usual = package._input(made.input)
    other = package._input(dataclasses.replace(made.input, layout="nchw", mean=(0.5,) * 3, std=(0.5,) * 3))

    assert usual == {"size": 224, "resize": 256}
    assert image.Input.read(json.loads(json.dumps(other))).layout == "nchw"
