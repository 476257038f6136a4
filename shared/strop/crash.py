"""Kill the process at a named point, so that tests can show that nothing is lost and nothing is done twice. Off in production.

A point lies between a commit and its acknowledgement, as `{service}:committed` and `relay:sent`, or in the middle of work
that does I/O. Each stands where `point` is called.
"""

import os
import signal

# Read here and not in `settings`: the points lie where no settings are, and this is not a setting for users.
_POINT, _, _MARKER = os.environ.get("STROP_CRASH_AT", "").partition("@")


def point(name: str) -> None:
    """Kill this process with SIGKILL if STROP_CRASH_AT is `NAME@FILE`; FILE is made then, and makes it happen once."""
    if name == _POINT:
        try:
            os.close(os.open(_MARKER, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
