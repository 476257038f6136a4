"""How many refused messages of one sender become dead letters."""

from ingest import refusal_limits, rules

LIMIT, TOTAL = refusal_limits.PER_SENDER, refusal_limits.TOTAL


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(count: int, sender: str = "cans/line-1") -> list[rules.Refusal]:
    return [rules.Refusal("malformed", f"{number}", "no JSON", sender) for number in range(count)]


def taken(limits: refusal_limits.RefusalLimits, given: list[rules.Refusal]) -> int:
    """Admit and commit; returns how many were admitted."""
    admitted = limits.within(given)
    limits.record(admitted)
    return len(admitted)


def test_a_sender_has_a_limit_over_several_batches_and_others_their_own() -> None:
    limits = refusal_limits.RefusalLimits()

    assert taken(limits, refused(LIMIT - 1)) == LIMIT - 1
    assert taken(limits, refused(5)) == 1
    assert taken(limits, refused(5, "cans/line-2")) == 5


def test_a_batch_that_is_not_committed_does_not_count() -> None:
    limits = refusal_limits.RefusalLimits()
    for _ in range(3):
        limits.within(refused(LIMIT))

    assert taken(limits, refused(LIMIT)) == LIMIT


def test_many_names_have_one_limit_together() -> None:
    limits = refusal_limits.RefusalLimits()
    many = [each for number in range(TOTAL + 5) for each in refused(1, f"cans/line-{number}")]

    assert taken(limits, many) == TOTAL


def test_counts_start_again_after_the_window() -> None:
    clock = Clock()
    limits = refusal_limits.RefusalLimits(clock)
    assert taken(limits, refused(LIMIT + 1)) == LIMIT

    clock.now += refusal_limits.WINDOW

    assert taken(limits, refused(LIMIT + 1)) == LIMIT
