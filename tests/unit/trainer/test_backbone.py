import hashlib

import numpy as np
import onnxruntime
import pytest

from trainer import backbone, weights

KIND = backbone.KINDS[backbone.LITE0]


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
        backbone.build(KIND, [other])


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
    tensors = weights.read(KIND.networks[0].source)
    graph = backbone._Graph()
    graph.begin("image", tensors, "")
    weight, bias = graph._folded("_conv_stem", "_bn0")
    patch = np.random.default_rng(0).normal(size=(3, 3, 3))
    mean, variance = tensors["_bn0.running_mean"], tensors["_bn0.running_var"]

    plain = (tensors["_conv_stem.weight"] * patch).sum(axis=(1, 2, 3))
    normed = (plain - mean) / np.sqrt(variance + 1e-3) * tensors["_bn0.weight"] + tensors["_bn0.bias"]

    assert (weight * patch).sum(axis=(1, 2, 3)) + bias == pytest.approx(normed, abs=1e-4)


def test_the_hosted_backbone_is_made_anew_with_the_same_bytes(hosted_file):
    """`ensure` refuses any others."""
    assert hosted_file.name == f"{backbone.KINDS[backbone.HOSTED].sha256}.onnx"


def test_the_hosted_backbone_reads_the_last_two_stages_of_both_networks(hosted_file):
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)

    found = features(hosted_file, images)

    assert found.shape == (2, backbone.KINDS[backbone.HOSTED].features)
    for part in np.split(found, np.cumsum([192, 320, 208]), axis=1):
        assert np.linalg.norm(part, axis=1) == pytest.approx(0.5, abs=1e-5)  # four of them make length 1


@pytest.mark.parametrize("kind", backbone.KINDS.values(), ids=lambda kind: kind.name)
def test_every_block_of_a_checkpoint_is_used(kind):
    for network in kind.networks:
        blocks = {name.split(".")[1] for name in weights.read(network.source) if name.startswith("_blocks.")}

        assert len(network.strides) == len(blocks)
