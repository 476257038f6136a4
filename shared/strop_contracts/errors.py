"""The errors by which a handler decides what becomes of its message. The docstring is the default message."""

from collections.abc import Collection, Mapping
from uuid import UUID


class StropError(Exception):
    """Strop failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InvalidMessage(StropError):
    """This message can never be handled: it goes to the dead-letter queue at once, with this reason."""


class RetryLater(StropError):
    """This message cannot be handled yet: it comes back after `delay` seconds, and after twice as long each further time."""

    def __init__(self, reason: str, delay: float = 5.0) -> None:
        super().__init__(reason)
        self.delay = delay


class PartialFailure(StropError):
    """Some of the messages that were handled together failed."""

    def __init__(self, failed: Mapping[UUID, Exception]) -> None:
        """`failed`: by the id of its event, the error of each that failed. All others are handled."""
        super().__init__("; ".join(map(str, failed.values())))
        self.failed = failed


class NotFound(StropError):
    """The thing asked for does not exist."""


class Forbidden(StropError):
    """The user is known and may not do this; the message names the role that is missing."""


class Refused(StropError):
    """The request is understood and not allowed; the message names what to change."""


def require_captures(wanted: Collection[UUID], present: Collection[UUID]) -> None:
    """Raise InvalidMessage naming the captures that an event refers to and that do not exist."""
    if missing := set(wanted) - set(present):
        raise InvalidMessage(f"there is no capture {', '.join(map(str, missing))}")
