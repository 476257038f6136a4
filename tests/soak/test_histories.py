"""More and longer random histories than `make test` has time for, and other ones in every run."""

import pytest

from strop import app
from tests.integration.crash import histories


@pytest.mark.timeout(1200)
def test_whatever_happens_in_whatever_order_the_accounts_are_right(runtime: app.Runtime) -> None:
    histories.run(runtime.settings, histories.bounded(40, 60, same=False))
