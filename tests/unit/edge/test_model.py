import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from strop_edge import image, manifest, model
from tests.unit.edge import packages


def test_it_ranks_the_labels_best_first(loaded: model.Model) -> None:
    (found,) = loaded.predict(image.load(packages.GREEN)[np.newaxis])

    ranked = loaded.rank(found)

    assert ranked[0].label == "green"
    assert [p.confidence for p in ranked] == sorted((p.confidence for p in ranked), reverse=True)
    assert {p.label for p in ranked} == set(packages.LABELS)


def test_equal_probabilities_keep_the_order_of_the_labels(loaded: model.Model) -> None:
    ranked = loaded.rank(np.array([0.25, 0.5, 0.25], np.float32))

    assert [p.label for p in ranked] == ["green", "red", "blue"]


def test_features_have_length_1_and_lead_to_the_same_probabilities(loaded: model.Model) -> None:
    images = np.stack([image.load(data) for data in (packages.RED, packages.GREEN, packages.GREY)])

    features = loaded.features(images)

    assert features.shape == (3, 1280)
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(loaded.assess_features(features)[0], loaded.predict(images))


def test_no_images_give_no_predictions(loaded: model.Model) -> None:
    assert loaded.predict(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 3)


@pytest.fixture
def telling(tmp_path: Path) -> model.Model:
    """A model that tells novelty: 0 for a pure colour, 4.2 for grey."""
    changes: dict[str, Any] = {"novelty": {"threshold": 2.0}, "assumed_thresholds": {"red": 0.5, "green": 0.01}}
    return model.Model(packages.package(head=packages.head(novelty=True), **changes).write(tmp_path / "telling"))


def test_novelty_comes_with_the_probabilities(telling: model.Model) -> None:
    images = np.stack([telling.prepare(data) for data in (packages.RED, packages.GREY)])

    probabilities, novelty = telling.assess(images)

    assert np.array_equal(probabilities, telling.predict(images))
    assert novelty is not None
    assert [telling.is_novel(float(score)) for score in novelty] == [False, True]


def test_a_head_without_novelty_stays_loadable_and_finds_nothing_novel(loaded: model.Model) -> None:
    probabilities, novelty = loaded.assess(image.load(packages.GREY)[np.newaxis])

    assert novelty is None
    assert not loaded.is_novel(None)
    assert len(loaded.answers(probabilities[0], None)) == 3  # no thresholds either


def test_answers_are_the_labels_from_their_threshold_on_best_first(telling: model.Model) -> None:
    row = np.array([0.4, 0.05, 0.55], np.float32)

    assert [each.label for each in telling.answers(row, 0.0)] == ["blue", "green"]  # blue has no threshold
    assert telling.answers(row, 2.5) == ()


def test_keys_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    folder = packages.package(signature="…", trained_on=["field"]).write(tmp_path)

    assert model.Model(folder).version == "v1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": ["red", "green"]}, r"gives \(1, 3\)"),
        ({"labels": ["red", "green", "green"]}, "repeat"),
        ({"labels": []}, "missing or repeat"),
        ({"labels": ["red", "green", "blue\u202e"]}, r"U\+202E"),
        ({"labels": ["red", "green", "green "]}, "repeat"),
        ({"input": {"size": 2000, "resize": 2000}}, "size: expected a whole number from 16"),
        ({"input": {"size": 224, "resize": 200}}, "resize: expected a whole number from 224"),
        ({"input": {"size": 224, "resize": 256, "gamma": 2.2}}, "cannot apply gamma"),
        ({"input": {"size": 224, "resize": 256, "filter": "box"}}, "filter: expected one of bicubic"),
        ({"input": {"size": 224, "resize": 256, "mean": [0.5, 0.5, 0.5]}}, "both mean and std"),
        ({"input": {"size": 224, "resize": 256, "mean": [0, 0, 0], "std": [1, 1, 0]}}, "std: expected a number"),
        ({"input": {"size": 224, "resize": 256, "mean": [0, 0], "std": [1, 1]}}, "expected 3 numbers"),
        ({"input": {"size": 260, "resize": 300}}, "onnxruntime"),
        ({"graphs": []}, "one or two different"),
        ({"graphs": ["head.onnx", "head.onnx"]}, "one or two different"),
        ({"graphs": ["other.onnx"]}, "other.onnx missing in files"),
        ({"files": {"../head.onnx": {"sha256": "0" * 64, "size": 1}}}, "by plain file name"),
        ({"files": {f"{n}.onnx": {"sha256": "0" * 64, "size": 1} for n in range(17)}}, "1 to 16 files"),
        ({"files": {"head.onnx": {"sha256": "0" * 64, "size": 2**31}}}, "size: expected a whole number"),
        ({"files": {"head.onnx": {"sha256": "0"}}}, "sha256: expected 64"),
        ({"samples": [packages.sample(packages.RED)] * 33}, "at most 32 objects"),
        ({"thresholds": {"red": 2}}, "red: expected a number"),
        ({"version": ""}, "version"),
        ({"files": {}}, "1 to 16 files"),
        ({"head": packages.head(offset=float("nan"))}, "not numbers from 0 to 1"),
        ({"head": packages.head(offset=1.0)}, "not numbers from 0 to 1"),
        ({"head": packages.head(labels=4)}, r"gives \(1, 4\)"),
        ({"head": b"no graph"}, "onnxruntime"),
        ({"backbone": packages.head()}, "onnxruntime"),
        ({"novelty": {"threshold": 1}}, "head.onnx does not give it"),
        ({"novelty": {"threshold": "high"}}, "threshold: expected a number"),
        ({"assumed_thresholds": {"red": -1}}, "red: expected a number"),
        ({"head": packages.head(offset=float("inf"), novelty=True)}, "novelty is not a number"),
    ],
    ids=range(33),
)
def test_a_package_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = packages.package(**changes).write(tmp_path)

    with pytest.raises(manifest.BadModel, match=reason):
        model.Model(folder)


@pytest.mark.parametrize("name", ["backbone.onnx", "head.onnx"])
def test_an_altered_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = packages.package().write(tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)

    with pytest.raises(manifest.BadModel, match=f"{name}: sha256"):
        model.Model(folder)


@pytest.mark.parametrize("name", packages.package().contents)
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = packages.package().write(tmp_path)
    (folder / name).unlink()

    with pytest.raises(manifest.BadModel, match="unreadable"):
        model.Model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\xff", '{"version": "v1"}', "[" * 100_000])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    folder = packages.package().write(tmp_path)
    (folder / "model.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(manifest.BadModel, match=r"model\.json"):
        model.Model(folder)


def test_the_self_test_passes_where_the_samples_look_as_they_did(loaded: model.Model) -> None:
    loaded.self_test()


def off_by(difference: float) -> list[dict[str, Any]]:
    sample = packages.sample(packages.GREY)
    first, *rest = sample["probabilities"]
    return [{**sample, "probabilities": [first + difference, *rest]}]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (off_by(0.05), "off by 0.05"),
        (off_by(float("nan")), "off by nan"),
        ([{**packages.sample(packages.RED), "probabilities": [1.0]}], "has 1 probabilities"),
        ([{**packages.sample(packages.RED), "jpeg": "AAAA"}], "sample 0"),
    ],
    ids=["far", "nan", "short", "no-image"],
)
def test_the_self_test_refuses_a_machine_that_sees_otherwise(tmp_path: Path, samples: Any, reason: str) -> None:
    loaded = model.Model(packages.package(samples=samples).write(tmp_path))

    with pytest.raises(manifest.BadModel, match=reason):
        loaded.self_test()


def test_a_small_difference_is_within_the_tolerance(tmp_path: Path) -> None:
    model.Model(packages.package(samples=off_by(0.01)).write(tmp_path)).self_test()


def test_models_with_the_same_backbone_share_it_and_the_last_one_frees_it(tmp_path: Path) -> None:
    threads = 3  # as no other test has it, so that nobody else can hold this one
    first = model.Model(packages.package().write(tmp_path / "1"), threads)
    second = model.Model(packages.package("v2", 5.0).write(tmp_path / "2"), threads)
    key = (first.manifest.files["backbone.onnx"].sha256, threads)
    assert key in model._sessions

    assert first._first is second._first

    del first, second
    gc.collect()
    assert key not in model._sessions


def test_the_manifest_tells_what_it_read() -> None:
    package = packages.package(thresholds={"red": 0.7})

    read = manifest.Manifest.loads(package.contents["model.json"])

    assert read.labels == packages.LABELS
    assert read.thresholds == {"red": 0.7}
    assert read.files == {name: package.files[name] for name in ("backbone.onnx", "head.onnx")}
    assert json.loads(package.contents["model.json"])["samples"][0]["probabilities"] == list(
        read.samples[0].probabilities
    )


@pytest.mark.parametrize("package", [packages.whole(), packages.larger()], ids=["one file", "larger input"])
def test_a_package_of_another_shape_predicts_and_passes_its_self_test(
    tmp_path: Path, package: packages.Package
) -> None:
    loaded = model.Model(package.write(tmp_path))

    (found,) = loaded.predict(loaded.prepare(packages.GREEN)[np.newaxis])

    assert loaded.rank(found)[0].label == "green"
    loaded.self_test()


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_mean_and_std_are_applied_by_channel(layout: str) -> None:
    wanted = image.Input.read(
        {"size": 16, "resize": 16, "layout": layout, "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 1]}
    )
    pixels = image.load(packages.encoded(Image.new("RGB", (16, 16), (255, 51, 0)), "PNG"), wanted)

    found = wanted.tensor(pixels[np.newaxis])

    assert found.dtype == np.float32
    assert found.shape == ((1, 16, 16, 3) if layout == "nhwc" else (1, 3, 16, 16))
    first = found[0, 0, 0] if layout == "nhwc" else found[0, :, 0, 0]
    assert first == pytest.approx([1.0, -0.8, -0.3], abs=1e-6)


def test_a_crop_is_the_middle_of_the_scaled_image() -> None:
    picture = Image.new("RGB", (100, 100), "red")
    picture.paste("blue", (20, 20, 80, 80))

    assert (image.prepare(picture, image.Input(48, 100, "bilinear")) == (0, 0, 255)).all()
    assert (image.prepare(picture, image.Input(100, 100))[0, 0] == (255, 0, 0)).all()


def test_a_manifest_over_the_limit_is_refused() -> None:
    with pytest.raises(manifest.BadModel, match="over the limit"):
        manifest.Manifest.loads(b" " * (manifest.MAX_BYTES + 1))


def test_a_graph_is_rebuilt_from_the_shared_file_and_a_delta(tmp_path: Path) -> None:
    package = packages.rebuilt()
    loaded = model.Model(package.write(tmp_path / "tuned"))
    untuned = model.Model(packages.package().write(tmp_path / "untuned"))
    pixels = image.load(packages.GREEN)[np.newaxis]

    moved = loaded.features(pixels) - untuned.features(pixels)

    assert 0.001 < np.abs(moved).max() < 0.1
    assert loaded.rank(loaded.predict(pixels)[0])[0].label == "green"


REBUILT = {"base": "backbone.onnx", "delta": "tail.delta", "sha256": "0" * 64, "size": 1}


@pytest.mark.parametrize(
    ("rebuilt", "reason"),
    [
        ({"tuned.onnx": {**REBUILT, "size": len(packages.BACKBONE)}}, "tuned.onnx: sha256 is"),
        ({"tuned.onnx": REBUILT}, "tuned.onnx: delta: the pieces have"),
        ({"tuned.onnx": {**REBUILT, "delta": "head.onnx"}}, "tuned.onnx: delta: it does not begin"),
        ({"tuned.onnx": {**REBUILT, "base": "trunk.onnx"}}, "rebuilt: trunk.onnx missing in files"),
        ({"tuned.onnx": {**REBUILT, "base": 3}}, "base"),
        ({"head.onnx": REBUILT}, "head.onnx is also a file"),
        ({"../tuned.onnx": REBUILT}, "plain file name"),
        ({"other.onnx": REBUILT}, "graphs: tuned.onnx missing in files"),
        ([REBUILT], "files: expected"),
    ],
)
def test_a_graph_that_cannot_be_rebuilt_is_refused(tmp_path: Path, rebuilt: Any, reason: str) -> None:
    folder = packages.rebuilt(rebuilt=rebuilt).write(tmp_path)

    with pytest.raises(manifest.BadModel, match=reason):
        model.Model(folder)
