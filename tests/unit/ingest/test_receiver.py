"""Whether a batch that cannot be stored is retried."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ingest import receiver


def wrapped(cause: Exception) -> DBAPIError:
    """The error as SQLAlchemy hands it on."""
    original = Exception(str(cause))
    original.__cause__ = cause
    return DBAPIError("insert", None, original)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(asyncpg.DataError("invalid input for query argument")),
        wrapped(asyncpg.UntranslatableCharacterError("\\u0000 cannot be converted to text")),
        wrapped(asyncpg.ForeignKeyViolationError("")),
        StatementError("cannot be written as JSON", "insert", None, TypeError()),
        KeyError("device"),
    ],
)
def test_the_data_is_at_fault(error: Exception) -> None:
    assert receiver.data_is_at_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")),
        wrapped(asyncpg.DeadlockDetectedError("")),
        wrapped(asyncpg.InterfaceError("connection is closed")),
        wrapped(asyncpg.DiskFullError("")),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        ConnectionRefusedError(),
        PoolTimeout(),
    ],
)
def test_a_dependency_is_unreachable(error: Exception) -> None:
    assert not receiver.data_is_at_fault(error)
