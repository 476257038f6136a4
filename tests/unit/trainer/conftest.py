"""The backbone and the feature cache are made once for all tests."""

from pathlib import Path

import pytest

from trainer import backbone


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainer-cache")


@pytest.fixture(scope="session")
def backbone_file(cache: Path) -> Path:
    return backbone.ensure(cache / "backbones")


@pytest.fixture(scope="session")
def hosted_file(cache: Path) -> Path:
    return backbone.ensure(cache / "backbones", backbone.KINDS[backbone.HOSTED])
