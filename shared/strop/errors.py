"""The errors a handler raises to say what shall become of its message. The docstring is the message."""


class StropError(Exception):
    """Something went wrong in Strop."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InvalidMessage(StropError):
    """This message can never be handled: it goes to the dead-letter queue at once, with this reason."""


class RetryLater(StropError):
    """This message cannot be handled yet: it comes back after `delay` seconds."""

    def __init__(self, reason: str, delay: float = 5.0) -> None:
        super().__init__(reason)
        self.delay = delay


class NotFound(StropError):
    """There is no such thing."""


class Refused(StropError):
    """The request is understood and not allowed; the message says what to change."""
