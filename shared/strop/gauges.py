"""What is measured by looking now and then: a service's queue, the outbox, and how far the loop is.

Every copy of a service looks for itself and tells the same numbers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Gauge
from sqlalchemy import Select, func, select

from strop import db, metrics, sqs
from strop_contracts import states, tables

log = structlog.get_logger()

EVERY = 15.0
ONLINE = timedelta(minutes=5)
MOST = 100_000
"""Rows of the outbox that are counted: more takes long just when there is no time."""

_count = func.count()
_oldest = select(tables.Outbox.at).order_by(tables.Outbox.id).limit(1).scalar_subquery()
_waited = func.coalesce(func.extract("epoch", func.clock_timestamp() - _oldest), 0)


def _by(*columns: Any) -> Select[Any]:
    return select(*columns, _count).group_by(*columns)


Table = Sequence[tuple[Gauge, Select[Any]]]
"""For each gauge the statement whose rows are its labels and, last, its value."""

EVERYWHERE: Table = (
    (metrics.OUTBOX_MESSAGES, select(_count).select_from(select(tables.Outbox.id).limit(MOST).subquery())),
    (metrics.OUTBOX_OLDEST_SECONDS, select(_waited)),
)
BY_SERVICE: Mapping[str, Table] = {
    "ingest": (
        (metrics.DEVICES_ONLINE, _by(tables.Device.project).where(tables.Device.seen_at > func.now() - ONLINE)),
    ),
    "labeling-queue": (
        (
            metrics.LABEL_TASKS_OPEN,
            _by(tables.LabelTask.project).where(tables.LabelTask.state == states.TaskState.OPEN),
        ),
    ),
    "trainer": (
        (metrics.TRAINING_RUNS, _by(tables.TrainingRun.project, tables.TrainingRun.state)),
        (metrics.MODEL_VERSIONS, _by(tables.ModelVersion.project, tables.ModelVersion.state)),
    ),
    "deployer": (
        (
            metrics.DEPLOYMENT_DEVICES,
            _by(tables.DeploymentDevice.project, tables.DeploymentDevice.state).where(tables.DeploymentDevice.current),
        ),
    ),
}


async def watch(make: db.Sessions, queues: sqs.Queues, service: str, stop: asyncio.Event) -> None:
    """Look until told to stop. A look that fails leaves the numbers as they were."""
    while not stop.is_set():
        try:
            await look(make, queues, service)
        except Exception as error:  # noqa: BLE001 - whatever is away is missed by those who need it, and loudly
            log.warning("cannot measure, trying again", service=service, error=repr(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)


async def look(make: db.Sessions, queues: sqs.Queues, service: str) -> None:
    metrics.QUEUE_MESSAGES.labels(service).set(await queues.depth(service))
    async with make() as session:
        for gauge, statement in (*EVERYWHERE, *BY_SERVICE.get(service, ())):
            show(gauge, [tuple(row) for row in await session.execute(statement)])


def show(gauge: Gauge, rows: Sequence[tuple[Any, ...]]) -> None:
    """Set the gauge from rows of labels and value; labels without a row are gone."""
    gauge.clear()
    for *labels, value in rows:
        (gauge.labels(*labels) if labels else gauge).set(float(value))
