import hashlib
import sqlite3

import numpy as np
import pytest

from strop_edge import image
from strop_image import decoder
from tests.unit.trainer import lab
from trainer import backbone, features, views


@pytest.fixture
def shapes(tmp_path):
    made = []
    for number in range(10):
        data = lab.picture("ring", number)
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(data)
        made.append(features.View(hashlib.sha256(data).hexdigest(), path))
    return made


@pytest.fixture
def store(tmp_path, backbone_file):
    with features.Cache(tmp_path / "f.sqlite", backbone_file, backbone.SHA256) as opened:
        yield opened


def silent(done, total):
    pass


def test_what_is_cached_is_not_computed_again(store, shapes):
    heard = []
    first = store.get(shapes, lambda done, total: heard.append((done, total)))
    for shape in shapes:
        shape.path.unlink()

    again = store.get(shapes, lambda *_: pytest.fail("computed again"))

    assert heard == [(done, 10) for done in range(1, 11)]
    assert (again == first).all()


def test_features_come_in_the_order_asked_for_and_repeats_cost_nothing(store, shapes):
    found = store.get([shapes[1], shapes[0], shapes[1]], silent)

    assert (found[0] == found[2]).all()
    assert (found[1] == store.get(shapes[:1], silent)[0]).all()


def test_each_view_has_features_of_its_own(store, shapes):
    one = shapes[0]
    wanted = [features.View(one.sha256, one.path, view) for view in views.TRAINING["base"]]

    plain, *others = store.get(wanted, silent)

    near = [float(plain @ each) for each in others]
    assert max(near) < 0.9999
    assert len(set(near)) == len(near)


def test_another_backbone_shares_nothing(store, shapes, tmp_path, backbone_file):
    store.get(shapes[:1], silent)
    heard = []

    with features.Cache(tmp_path / "f.sqlite", backbone_file, "other") as other:
        other.get(shapes[:1], lambda *told: heard.append(told))

    assert heard == [(1, 1)]


def test_a_file_that_is_no_image_is_refused(store, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"text")

    with pytest.raises(features.Unusable, match=f"{image.sha256(b'text')}: neither JPEG, PNG nor WebP"):
        store.get([features.View(image.sha256(b"text"), path)], silent)


def test_images_that_have_no_features_are_named_and_the_others_are_computed(store, shapes, tmp_path):
    heard = []
    shapes[2].path.write_bytes(b"damaged")
    shapes[5].path.write_bytes(b"damaged, too")

    bad = store.fill(shapes, lambda *told: heard.append(told))

    assert set(bad) == {shapes[2].sha256, shapes[5].sha256}
    assert heard[-1] == (10, 10)
    assert len(store.get([shape for shape in shapes if shape.sha256 not in bad], silent)) == 8


def test_features_of_an_older_decoder_are_computed_again(store, shapes, tmp_path, backbone_file, monkeypatch):
    store.get(shapes[:1], silent)
    heard = []
    monkeypatch.setattr(decoder, "VERSION", decoder.VERSION + 1)

    with features.Cache(tmp_path / "f.sqlite", backbone_file, backbone.SHA256) as other:
        other.get(shapes[:1], lambda *told: heard.append(told))

    assert heard == [(1, 1)]


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda whole: whole[: len(whole) // 2], lambda _: b"noise" * 2000],
    ids=["empty", "cut", "noise"],
)
def test_a_damaged_cache_is_made_anew(tmp_path, shapes, backbone_file, damage):
    path = tmp_path / "f.sqlite"
    with features.Cache(path, backbone_file, backbone.SHA256) as cache:
        before = cache.get(shapes, silent)
    path.write_bytes(damage(path.read_bytes()))

    with features.Cache(path, backbone_file, backbone.SHA256) as cache:
        assert (cache.get(shapes, silent) == before).all()
        assert (cache.get(shapes, lambda *_: pytest.fail("computed again")) == before).all()


def test_a_page_that_is_damaged_while_the_cache_is_open_makes_it_anew(tmp_path, shapes, backbone_file):
    path = tmp_path / "f.sqlite"
    with features.Cache(path, backbone_file, backbone.SHA256) as cache:
        before = cache.get(shapes, silent)
    whole = path.read_bytes()
    with features.Cache(path, backbone_file, backbone.SHA256) as cache:
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

        assert (cache.get(shapes, silent) == before).all()


def test_a_row_with_another_value_is_computed_again(tmp_path, shapes, backbone_file):
    path = tmp_path / "f.sqlite"
    with features.Cache(path, backbone_file, backbone.SHA256) as cache:
        before = cache.get(shapes, silent)
        with sqlite3.connect(path) as database:
            database.execute(
                "update features set vector = zeroblob(length(vector)) where sha256 = ?", [shapes[3].sha256]
            )
        database.close()
        heard = []

        assert (cache.get(shapes, lambda *told: heard.append(told)) == before).all()

    assert heard == [(1, 1)]


def test_an_error_that_is_no_damage_keeps_the_cache(tmp_path, shapes, backbone_file):
    path = tmp_path / "f.sqlite"
    path.mkdir()

    with pytest.raises(sqlite3.OperationalError):
        features.Cache(path, backbone_file, backbone.SHA256)
    assert path.is_dir()


def test_nothing_wanted_is_no_rows(store):
    assert len(store.get([], silent)) == 0


def test_features_are_the_backbones(store, shapes, backbone_file):
    found = store.get(shapes[:1], silent)[0]
    direct = features._session(backbone_file).run(None, {"image": image.load(shapes[0].path.read_bytes())[None]})[0][0]

    assert found == pytest.approx(direct, abs=1e-5)
    assert found.dtype == np.float32
