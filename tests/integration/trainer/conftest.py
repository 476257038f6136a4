"""One cache for all tests: features of a picture are computed once."""

from pathlib import Path

import pytest

from strop import app
from strop_cli import model_keys
from tests import factories, roles
from tests.integration.trainer.lab import Lab


@pytest.fixture
def runs_as() -> str:
    return "trainer"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainer-cache")


@pytest.fixture
async def lab(runtime: app.Runtime, cache: Path) -> Lab:
    """A trainer that signs its models."""
    model_keys.make(cache)
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
    return Lab(runtime, cache, model_key=cache / model_keys.PRIVATE)
