import pytest

from strop_wire import takeover


class Line:
    """A client's connections, in a time of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = takeover.Takeover("p:d", lambda: self.now)

    def lost_after(self, seconds: float) -> str | None:
        self.watch.connected()
        self.now += seconds
        return self.watch.ended()


@pytest.fixture
def line() -> Line:
    return Line()


def test_short_connections_in_a_row_are_reported_with_the_client_id(line: Line) -> None:
    first, second, third = (line.lost_after(1) for _ in range(3))

    assert (first, second) == (None, None)
    assert third is not None
    assert third.startswith("another client is connected with the client id p:d, it seems")


def test_a_loop_is_reported_again_only_after_a_while(line: Line) -> None:
    reports = [line.now for _ in range(1500) if line.lost_after(1)]

    assert reports == [3, 603, 1203]


def test_long_connections_are_no_loop(line: Line) -> None:
    assert [line.lost_after(seconds) for seconds in (1, 1, 11, 1, 1, 60)] == [None] * 6


def test_a_broker_that_cannot_be_reached_in_between_is_no_loop(line: Line) -> None:
    for _ in range(10):
        assert line.lost_after(1) is None
        line.watch.unreachable()


def test_an_attempt_that_was_refused_is_no_connection(line: Line) -> None:
    assert [line.watch.ended() for _ in range(10)] == [None] * 10


def test_short_connections_in_a_row_are_counted_until_one_lasts(line: Line) -> None:
    excess = []
    for seconds in (1, 1, 1, 1, 1, 60, 1):
        line.lost_after(seconds)
        excess.append(line.watch.excess)

    assert excess == [0, 0, 1, 2, 3, 0, 0]
