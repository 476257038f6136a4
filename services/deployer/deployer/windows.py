"""Maintenance windows: when devices of a group take a new model, in local time. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OTHERS = "*"
"""In the place of a group: every group without a window of its own."""

_TEXT = re.compile(r"(?:(\S+) )?(\d\d:\d\d)-(\d\d:\d\d) (\S+)")


@dataclass(frozen=True, slots=True)
class Window:
    """Open on these weekdays (0: Monday) from `start` to `end`, local time; past midnight if `end` is not later."""

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def is_open(self, now: datetime) -> bool:
        """Return whether a time lies in the window. The day of a window past midnight is the day it starts on."""
        local = now.astimezone(self.zone)
        clock, today = local.time(), local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return (today in self.days and clock >= self.start) or (yesterday in self.days and clock < self.end)


def parse(text: str) -> Window:
    """Read "Mon-Fri 22:00-04:00 Europe/Berlin"; without days the window is daily. ValueError if it is not of this form."""
    if not (found := _TEXT.fullmatch(text)):
        raise ValueError(f"{text!r} is no window such as 'Mon-Fri 22:00-04:00 Europe/Berlin'")
    days, start, end, zone = found.groups()
    try:
        return Window(_days(days or "Mon-Sun"), time.fromisoformat(start), time.fromisoformat(end), ZoneInfo(zone))
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{zone!r} is not a time zone such as Europe/Berlin") from error


def _days(text: str) -> frozenset[int]:
    """Read "Mon-Fri,Sun"; a range may pass the end of the week."""
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"{part!r} is no day or range of days such as Mon-Fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {(begin + n) % 7 for n in range((end - begin) % 7 + 1)}
    return frozenset(days)


def closed(windows: Mapping[str, str], groups: Collection[str], now: datetime) -> frozenset[str]:
    """Return the groups of devices that take no new model at a time. A group without a window is always open."""
    named = {group: windows.get(group, windows.get(OTHERS)) for group in groups}
    return frozenset(group for group, text in named.items() if text and not parse(text).is_open(now))
