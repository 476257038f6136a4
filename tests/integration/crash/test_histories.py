"""Random histories against the real database: nothing is lost, nothing doubled, and what people said last counts."""

import pytest

from strop import app
from tests.integration.crash import histories


@pytest.mark.timeout(300)  # a busy machine
def test_whatever_happens_in_whatever_order_the_accounts_are_right(runtime: app.Runtime) -> None:
    histories.run(runtime.settings, histories.bounded(24, 40, same=True))
