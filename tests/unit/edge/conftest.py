from collections.abc import Iterator
from pathlib import Path

import pytest

from strop_edge import model, spool
from tests.unit.edge import packages
from tests.unit.edge.spools import open_spool


@pytest.fixture
def loaded(tmp_path: Path) -> model.Model:
    return model.Model(packages.package().write(tmp_path / "package"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def images(state: Path) -> Iterator[spool.Spool]:
    opened = open_spool(state)
    yield opened
    opened.close()
