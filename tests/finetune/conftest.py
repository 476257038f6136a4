"""A few pictures and their activations, made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.trainer import lab
from trainer import backbone, features, views
from trainer.tuning import activations, loop

Images = list[dict[str, Any]]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finetune-cache")


@pytest.fixture(scope="session")
def original(cache: Path) -> bytes:
    return backbone.ensure(cache / "backbones").read_bytes()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return lab.items(tmp_path_factory.mktemp("pictures"), train=12, valid=3)


@pytest.fixture(scope="session")
def images(cache: Path, original: bytes, pictures: Images) -> Iterator[loop.Images]:
    """The training images, with two views of each."""
    train = [each for each in pictures if each["part"] == "train"]
    shown = [
        [features.View(each["sha256"], Path(each["path"]), view) for view in (views.PLAIN, views.MIRRORED)]
        for each in train
    ]
    labels = np.array([lab.LABELS.index(each["label"]) for each in train], np.int64)
    with activations.opened(cache, original) as store:
        store.fill([view for each in shown for view in each], lambda *_: None)
        yield loop.Images(store.read, shown, labels)
