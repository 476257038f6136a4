import hashlib

import numpy as np
import onnxruntime
import pytest

from trainer import backbone, weights


def test_the_file_is_named_by_its_bytes_and_made_once(backbone_file, cache):
    before = backbone_file.stat().st_mtime_ns

    assert backbone_file.name == f"{backbone.SHA256}.onnx"
    assert hashlib.sha256(backbone_file.read_bytes()).hexdigest() == backbone.SHA256
    assert backbone.ensure(cache / "backbones").stat().st_mtime_ns == before


def test_a_damaged_file_is_made_anew(tmp_path):
    (tmp_path / f"{backbone.SHA256}.onnx").write_bytes(b"half")

    assert backbone.ensure(tmp_path).stat().st_size > 13_000_000


def test_other_weights_are_refused(tmp_path):
    other = tmp_path / "other.pth"
    other.write_bytes(b"other")

    with pytest.raises(backbone.WrongBackbone, match="expected 5793"):
        backbone.build(other)


def features(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["features"], {"image": images})[0]


def test_features_have_length_one_and_do_not_depend_on_the_batch(backbone_file):
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)

    together = features(backbone_file, images)

    assert together.shape == (3, backbone.FEATURES)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert features(backbone_file, images[1:2])[0] == pytest.approx(together[1], abs=1e-5)


def test_folded_convolutions_equal_convolution_and_norm():
    """Against the definition of batch norm, on the checkpoint's own first layer."""
    tensors = weights.read(backbone.source())
    graph = backbone._Graph(tensors)
    weight, bias = graph._folded("_conv_stem", "_bn0")
    patch = np.random.default_rng(0).normal(size=(3, 3, 3))
    mean, variance = tensors["_bn0.running_mean"], tensors["_bn0.running_var"]

    plain = (tensors["_conv_stem.weight"] * patch).sum(axis=(1, 2, 3))
    normed = (plain - mean) / np.sqrt(variance + 1e-3) * tensors["_bn0.weight"] + tensors["_bn0.bias"]

    assert (weight * patch).sum(axis=(1, 2, 3)) + bias == pytest.approx(normed, abs=1e-4)
