import numpy as np
import onnx
import pytest

from trainer import backbone, features
from trainer.tuning import graphs

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)


def outputs(graph: bytes) -> features.Features:
    return features.run(graph, "features", {"image": PIXELS})


def test_the_trunk_gives_the_tensor_at_the_cut_as_float16(original):
    whole = onnx.load_from_string(original)
    tensor = graphs.cut(whole.graph).tensor
    whole.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))

    found = outputs(graphs.trunk(original))

    wanted = features.run(whole.SerializeToString(), tensor, {"image": PIXELS})
    assert found.dtype == np.float16
    assert found.shape == (2, 112 * 14 * 14)
    assert np.allclose(found, wanted.reshape(2, -1), rtol=2e-3, atol=1e-3)


def test_the_tail_has_the_last_blocks_and_the_head_convolution(original):
    tail = graphs.tail(original)

    blocks = {name.split(".")[1] for name in tail if name.startswith("_blocks")}
    assert blocks == {"11", "12", "13", "14", "15"}
    assert tail["_conv_head.weight"].shape == (1280, 320, 1, 1)
    assert sum(value.size for value in tail.values()) == pytest.approx(2.64e6, rel=0.01)


def test_an_unchanged_tail_gives_the_same_file(original):
    assert graphs.tuned(original, graphs.tail(original)) == original


def test_other_values_in_the_tail_give_other_features_of_the_same_cut(original, moved):
    tensors = moved(0.05)

    graph = graphs.tuned(original, tensors)

    before, after = outputs(original), outputs(graph)
    assert np.array_equal(np.argmax(before[:, :112], axis=1), np.argmax(after[:, :112], axis=1))
    assert np.abs(before - after).max() > 0.01
    assert all(np.array_equal(graphs.tail(graph)[name], value) for name, value in tensors.items())


def test_a_doubled_graph_gives_the_features_of_both_tails(original, moved):
    tensors = moved(0.05)

    graph = graphs.doubled(original, tensors)

    found = outputs(graph)
    assert found.shape == (2, 2 * backbone.FEATURES)
    assert np.allclose(found[:, : backbone.FEATURES], outputs(original), atol=1e-6)
    assert np.allclose(found[:, backbone.FEATURES :], outputs(graphs.tuned(original, tensors)), atol=1e-6)
    assert all(np.array_equal(graphs.tail(graph)[name], value) for name, value in tensors.items())
