"""Who is to blame when a batch cannot be stored, and what ingest subscribes to."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ingest import announcements
from strop.settings import Settings


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://", "mqtt_url": "mqtt://", **changes})


def test_several_ingests_share_one_subscription() -> None:
    assert announcements.filters(settings(mqtt_shared=True)) == [
        "$share/strop-ingest/strop/+/+/capture",
        "$share/strop-ingest/strop/+/+/state",
        "$share/strop-ingest/strop/+/+/fetch",
    ]


def test_the_group_of_the_shared_subscription_is_a_setting() -> None:
    assert announcements.filters(settings(mqtt_group="secret"))[0] == "$share/secret/strop/+/+/capture"


def test_a_broker_without_shared_subscriptions_gets_plain_ones() -> None:
    assert announcements.filters(settings(mqtt_shared=False))[0] == "strop/+/+/capture"


def test_each_copy_can_have_a_stable_client_id() -> None:
    assert announcements.client_id(settings()) == "strop-ingest"
    assert announcements.client_id(settings(mqtt_client_id="copy-2")) == "copy-2-ingest"


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
    assert announcements.data_is_at_fault(error)


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
def test_something_is_away(error: Exception) -> None:
    assert not announcements.data_is_at_fault(error)
