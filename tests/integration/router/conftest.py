"""The router's tests run with its rights."""

import pytest


@pytest.fixture
def runs_as() -> str:
    return "router"
