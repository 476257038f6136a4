from pathlib import Path

import pytest

from strop_edge import model
from tests.unit.edge import packages


@pytest.fixture
def loaded(tmp_path: Path) -> model.Model:
    return model.Model(packages.package().write(tmp_path / "package"))
