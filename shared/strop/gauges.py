"""Metrics that are read from the database every EVERY seconds: a service's queue, the outbox, and the service's own tables.

Every copy of a service exposes the same numbers.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import Gauge
from sqlalchemy import Select, func, select

from strop import db, loops, metrics, sqs
from strop_contracts import tables, topology

log = structlog.get_logger()

EVERY = 15.0
MOST = 100_000
"""Rows of the outbox that are counted: counting more is slow just when the database is busy."""

_count = func.count()
_oldest = select(tables.Outbox.at).order_by(tables.Outbox.id).limit(1).scalar_subquery()
_waited = func.coalesce(func.extract("epoch", func.clock_timestamp() - _oldest), 0)

Table = Sequence[tuple[Gauge, Select[Any]]]
"""For each gauge the statement whose rows are its labels and, last, its value."""

KERNEL: Table = (
    (metrics.OUTBOX_MESSAGES, select(_count).select_from(select(tables.Outbox.id).limit(MOST).subquery())),
    (metrics.OUTBOX_OLDEST_SECONDS, select(_waited)),
)


def count_by(*columns: Any) -> Select[Any]:
    """Count rows by these columns, which are the gauge's labels."""
    return select(*columns, _count).group_by(*columns)


def watch(make: db.Sessions, queues: sqs.Queues, service: str, table: Table) -> loops.Loop:
    """Make the loop that measures. While the database or the queue is unreachable the numbers stay as they were."""

    async def tick() -> None:
        try:
            await measure(make, queues, service, table)
        except Exception as error:  # noqa: BLE001 - its consumers log an unreachable dependency in full
            log.warning("measurement_failed", service=service, error=repr(error))

    return loops.every(EVERY, tick)


async def measure(make: db.Sessions, queues: sqs.Queues, service: str, table: Table) -> None:
    for queue in topology.queues(service):
        metrics.QUEUE_MESSAGES.labels(queue).set(await queues.depth(queue))
    async with make() as session:
        for gauge, statement in (*KERNEL, *table):
            expose(gauge, [tuple(row) for row in await session.execute(statement)])


def expose(gauge: Gauge, rows: Sequence[tuple[Any, ...]]) -> None:
    """Set the gauge from rows of labels and value; labels without a row are removed."""
    gauge.clear()
    for *labels, value in rows:
        (gauge.labels(*labels) if labels else gauge).set(float(value))
