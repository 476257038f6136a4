"""When a message comes back."""

import pytest

from strop import consumer
from strop_contracts import errors


@pytest.mark.parametrize(("receives", "seconds"), [(1, 17), (2, 34), (5, 272), (6, 300), (10_000, 300)])
def test_a_message_that_is_not_ready_comes_back_as_asked_then_later_each_time(receives: int, seconds: float) -> None:
    assert consumer.plan_retry(errors.RetryLater("the camera sleeps", 17), receives) == seconds


def test_a_delay_above_the_longest_is_kept() -> None:
    assert consumer.plan_retry(errors.RetryLater("the camera sleeps", 3600), receives=3) == 3600


@pytest.mark.parametrize(("receives", "seconds"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (10_000, 300)])
def test_anything_else_comes_back_with_a_growing_delay(receives: int, seconds: float) -> None:
    delays = {consumer.plan_retry(ValueError(), receives) for _ in range(50)}

    assert all(0.8 * seconds <= delay <= 1.2 * seconds for delay in delays)
    assert len(delays) > 1  # so that a crowd does not come back at once
