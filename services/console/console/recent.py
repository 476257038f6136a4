"""Reports of other services and counts of many rows, kept for some seconds: pages that poll do not repeat the work."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_MOST = 100
"""Reports kept."""


class Recent:
    """Keeps the latest report of each key for `seconds`. Failures are not kept."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the kept report, or make a new one."""
        at, report = self._kept.get(key, (float("-inf"), None))
        if self._clock() - at >= self._seconds:
            report = await make()
            self._kept[key] = (self._clock(), report)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        result: T = report
        return result
