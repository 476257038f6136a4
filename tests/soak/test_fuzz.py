"""As tests/unit/test_fuzz.py, with many more inputs, and other ones in every run."""

import hypothesis
import pytest

from tests import fuzz

MANY = hypothesis.settings(
    max_examples=1_000, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_any_input_is_read_or_refused(name: str) -> None:
    fuzz.throw(name, MANY)
