from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainer.tuning import graphs


@pytest.fixture(scope="session")
def original(backbone_file: Path) -> bytes:
    return backbone_file.read_bytes()


@pytest.fixture(scope="session")
def moved(original: bytes) -> Callable[[float], dict[str, graphs.Floats]]:
    """A tail whose values differ from the backbone's by this part of each tensor's spread."""
    before = graphs.tail(original)

    def move(part: float) -> dict[str, graphs.Floats]:
        random = np.random.default_rng(1)
        return {
            name: value + random.standard_normal(value.shape, np.float32) * np.float32(part * value.std())
            for name, value in before.items()
        }

    return move
