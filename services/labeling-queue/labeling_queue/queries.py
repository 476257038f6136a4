"""What the labeling queue reads and writes in Postgres. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import rules
from strop import errors, models

Task = models.LabelTask
Annotation = models.Annotation


async def require_project(session: AsyncSession, project: str) -> None:
    if await session.get(models.Project, project) is None:
        raise errors.NotFound(f"There is no project {project!r}.")


async def add_task(session: AsyncSession, capture: models.Capture) -> None:
    """Make the capture's task, once."""
    values = {
        "project": capture.project,
        "capture_id": capture.id,
        "device": capture.device,
        "sha256": capture.sha256,
        "priority": rules.priority(capture.margin, audit=capture.audit),
    }
    await session.execute(insert(Task).values(**values).on_conflict_do_nothing(index_elements=["capture_id"]))


async def lease(session: AsyncSession, project: str, person: str, count: int) -> list[Task]:
    """Lease up to `count` tasks: first those the person has (renewed), then the next nobody has.

    One statement, so two people never get the same task: a row that somebody else is taking is passed over.
    """
    mine = _leasable(project).where(Task.leased_by == person).limit(count).cte("mine")
    free = (
        _leasable(project)
        .where(or_(Task.leased_by.is_(None), Task.leased_by != person & (Task.leased_until < func.now())))
        .limit(count)
        .cte("free")
    )
    raise NotImplementedError
