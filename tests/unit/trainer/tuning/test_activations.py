import hashlib

import numpy as np
import pytest

from tests.unit.trainer import lab
from trainer import features, views
from trainer.tuning import activations, graphs


@pytest.fixture
def view(tmp_path):
    data = lab.picture("ring", 1)
    (tmp_path / "ring.jpg").write_bytes(data)
    return features.View(hashlib.sha256(data).hexdigest(), tmp_path / "ring.jpg", views.MIRRORED)


def test_activations_come_back_as_the_trunk_gave_them(original, view, tmp_path):
    with activations.opened(tmp_path, original) as store:
        assert store.fill([view], lambda *_: None) == {}
        found = store.read([view, view])

    with features.Cache(tmp_path / "other.sqlite", graphs.trunk(original), "trunk", np.float16) as other:
        wanted = other.get([view], lambda *_: None)
    assert found.dtype == np.float16
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], wanted[0])


def test_reading_what_was_not_computed_is_an_error(original, view, tmp_path):
    with activations.opened(tmp_path, original) as store, pytest.raises(features.Unusable):
        store.read([view])


@pytest.mark.parametrize(("limit", "kept"), [(10**9, True), (1, False)])
def test_a_file_over_the_limit_is_removed(original, tmp_path, monkeypatch, limit, kept):
    activations.opened(tmp_path, original).__exit__()
    monkeypatch.setattr(activations, "LIMIT", limit)

    activations.trim(tmp_path)

    assert (tmp_path / activations.FILE).exists() == kept
