"""How many units there shall be."""

import pytest

from custom_labels.hosting import pool


@pytest.mark.parametrize(
    ("now", "load", "seconds", "then"),
    [
        (1, "pressed", 0.9, 1),
        (1, "pressed", 1.0, 2),
        (3, "pressed", 9.0, 3),
        (2, "full", 900.0, 2),
        (2, "eased", 59.0, 2),
        (2, "eased", 60.0, 1),
        (1, "eased", 900.0, 1),
    ],
)
def test_units_come_when_requests_wait_and_go_when_some_are_free_for_long(
    now: int, load: str, seconds: float, then: int
) -> None:
    assert pool.resize(now, load, seconds, least=1, most=3) == then
