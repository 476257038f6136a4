"""Whoever looks into an image decides the same about it, and sees the same."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from console import picture_cache
from custom_labels import image_rules as hosted_images
from custom_labels.hosting import worker
from ingest import images
from strop_contracts import errors
from strop_edge import image, model
from strop_image import decoder, header, sandbox
from tests.unit.edge import packages
from tests.unit.strop_image import kinds
from trainer import views


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> model.Model:
    return model.Model(packages.package().write(tmp_path_factory.mktemp("model")))


def trained(data: bytes) -> image.Pixels:
    """What the trainer computes features of."""
    sha256 = hashlib.sha256(data).hexdigest()
    return views.render(sandbox.shared().decode(data), views.PLAIN, sha256)


@pytest.mark.parametrize("kind", kinds.GOOD)
def test_every_kind_is_accepted_by_all_with_the_same_pixels(kind: str, loaded: model.Model, tmp_path: Path) -> None:
    data, expected = kinds.GOOD[kind]

    upright = decoder.decode(data)

    assert upright.size == (kinds.WIDTH, kinds.HEIGHT)
    assert expected is None or off(upright, expected) < 3
    assert (
        sorted((header.read(data).width, header.read(data).height))
        == sorted(upright.size)
        == sorted((images.check(data).width, images.check(data).height))
    )
    on_device = image.load(data)
    assert np.array_equal(on_device, image.prepare(upright))
    assert np.array_equal(on_device, loaded.prepare(data))
    assert np.array_equal(on_device, trained(data))
    assert off(Image.open(io.BytesIO(picture_cache.small(data))), upright) < 8  # a thumbnail is a JPEG
    if decoder.content_type(data) in hosted_images.TYPES:
        assert hosted_images.check(data).content_type == images.check(data).content_type
        assert "refused" not in worker.answer(loaded, data)
        assert picture_cache.prepare(data) == picture_cache.Prepared(data)


@pytest.mark.parametrize("kind", kinds.BAD)
def test_what_one_refuses_all_refuse(kind: str, loaded: model.Model, tmp_path: Path) -> None:
    data = kinds.BAD[kind]

    for look in (images.check, image.load, loaded.prepare, picture_cache.small):
        with pytest.raises(decoder.BadImage):
            look(data)
    with pytest.raises(decoder.BadImage):
        trained(data)
    with pytest.raises(hosted_images.BadImage):
        hosted_images.check(data)
    with pytest.raises(errors.Refused):
        picture_cache.prepare(data)
    assert "refused" in worker.answer(loaded, data)


def off(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two images, of 255."""
    assert one.size == other.size
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())
