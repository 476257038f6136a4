"""What can go wrong with the servers of one machine."""

from strop_contracts import errors


class PlatformError(errors.StropError):
    """The local platform cannot run."""
