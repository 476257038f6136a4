"""Limits how many refused messages of one sender become dead letters: the others are counted and dropped before anything is stored."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from ingest import rules

log = structlog.get_logger()

WINDOW = 3600.0
"""Seconds after which the counts start again."""
PER_SENDER = 20
"""Dead letters of one device per window and replica. They show what is wrong; more of them say the same."""
TOTAL = 2000
"""Dead letters of all devices per window and replica: a sender may have many names where the broker does not verify them."""


class RefusalLimits:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._counts: Counter[str] = Counter()
        self._total = 0

    def within(self, refused: Iterable[rules.Refusal]) -> list[rules.Refusal]:
        """Return those that may become dead letters. They count once `record` is called, after the commit."""
        if self._clock() - self._start >= WINDOW:
            self._start, self._counts, self._total = self._clock(), Counter(), 0
        counts, total, admitted = self._counts.copy() if refused else self._counts, self._total, []
        for each in refused:
            if counts[each.sender] < PER_SENDER and total < TOTAL:
                admitted.append(each)
                counts[each.sender] += 1
                total += 1
        return admitted

    def record(self, admitted: Iterable[rules.Refusal]) -> None:
        """Count dead letters that are committed."""
        for each in admitted:
            self._counts[each.sender] += 1
            self._total += 1
            if self._counts[each.sender] == PER_SENDER:
                log.warning("dead_letters_limited", sender=each.sender, limit=PER_SENDER)
