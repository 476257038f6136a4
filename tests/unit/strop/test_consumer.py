"""When a message comes back."""

import pytest

from strop import consumer
from strop_contracts import errors


def test_a_handler_may_say_when_it_wants_its_message_again() -> None:
    assert consumer.plan_retry(errors.RetryLater("the camera sleeps", 17), receives=9) == 17


@pytest.mark.parametrize(("receives", "seconds"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (10_000, 300)])
def test_anything_else_comes_back_with_a_growing_delay(receives: int, seconds: float) -> None:
    delays = {consumer.plan_retry(ValueError(), receives) for _ in range(50)}

    assert all(0.8 * seconds <= delay <= 1.2 * seconds for delay in delays)
    assert len(delays) > 1  # so that a crowd does not come back at once
