from datetime import UTC, datetime

import pytest

from deployer import windows

NIGHT = "Mon-Fri 22:00-04:00 Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2026-01-05T21:30", True),  # Monday 22:30 in Berlin, winter
        ("2026-01-05T20:30", False),
        ("2026-01-06T02:30", True),  # Tuesday 03:30, the window of Monday
        ("2026-01-06T03:30", False),
        ("2026-07-06T20:30", True),  # Monday 22:30, summer
        ("2026-01-10T01:00", True),  # Saturday 02:00, the window of Friday
        ("2026-01-10T22:00", False),  # Saturday 23:00
        ("2026-01-12T01:00", False),  # Monday 02:00, after a Sunday
    ],
)
def test_a_window_is_open_in_local_time_and_past_midnight(time: str, is_open: bool) -> None:
    assert windows.parse(NIGHT).is_open(at(time)) is is_open


def test_a_window_without_days_is_daily() -> None:
    window = windows.parse("08:00-10:00 UTC")

    assert [window.is_open(at(f"2026-01-1{day}T09:00")) for day in range(7)] == [True] * 7
    assert not window.is_open(at("2026-01-10T10:00"))


def test_days_may_be_listed_and_pass_the_end_of_the_week() -> None:
    assert windows.parse("Sat-Mon,Wed 08:00-10:00 UTC").days == {5, 6, 0, 2}


@pytest.mark.parametrize(
    "text", ["", "22:00-04:00", "Xxx 22:00-04:00 UTC", "22:00-25:00 UTC", "22:00-04:00 Nowhere/At", "a b c"]
)
def test_a_malformed_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|zone|day|hour"):
        windows.parse(text)


def test_a_group_without_a_window_is_always_open() -> None:
    noon = at("2026-01-05T12:00")

    assert windows.closed({"line": NIGHT}, {"line", "hall", ""}, noon) == {"line"}
    assert windows.closed({"*": NIGHT, "hall": "08:00-20:00 UTC"}, {"line", "hall", ""}, noon) == {"line", ""}
