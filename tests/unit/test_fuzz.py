"""What reads the messages and files of strangers gives a result or a refusal, whatever it is given."""

import hypothesis
import pytest

from tests import fuzz

FEW = hypothesis.settings(max_examples=100, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_any_input_is_read_or_refused(name: str) -> None:
    fuzz.throw(name, FEW)
