"""What an operation is given beside its request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels.settings import Settings
from strop import app


@dataclass(frozen=True, slots=True)
class Call:
    """One request. The dispatcher commits the session when the operation returns; a fault rolls it back.

    The session takes a connection at its first statement: an operation that never uses it costs the database nothing.
    """

    runtime: app.Runtime
    settings: Settings
    session: AsyncSession


Operation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes a request that fits its shape; returns an answer, in which None means absent."""
