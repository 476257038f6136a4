"""What the labeling queue reads and writes in Postgres. Nothing here commits."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, any_, case, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import rules
from labeling_queue.kinds import base
from strop import db
from strop_contracts import errors, states, tables
from strop_wire import ids

Task = tables.LabelTask
Annotation = tables.Annotation


async def now(session: AsyncSession) -> datetime:
    """The database's time, which all leases go by."""
    return (await session.execute(select(func.now()))).scalar_one()


async def clock(session: AsyncSession) -> datetime:
    """The database's time at this moment, after any wait for a lock."""
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment


async def release_copy(session: AsyncSession, task_id: UUID, until: datetime, moved_for: datetime | None) -> None:
    """End the lease on the copy of a task's image, if it still has this token.

    The copy is due no longer if `moved_for` is still the time since when it was: None if it was not moved.
    """
    mine = update(Task).where(Task.id == task_id)
    await session.execute(mine.where(Task.copy_leased_until == until).values(copy_leased_until=None))
    if moved_for:
        await session.execute(mine.where(Task.copy_due_at == moved_for).values(copy_due_at=None))


async def require_project(session: AsyncSession, project: str) -> None:
    if await session.get(tables.Project, project) is None:
        raise errors.NotFound(f"There is no project {project!r}.")


async def captures(session: AsyncSession, ids: Collection[UUID]) -> Sequence[tables.Capture]:
    """These captures, by id; those that are unknown are left out."""
    table = tables.Capture
    found = select(table).where(table.id == any_(literal(list(ids), ARRAY(Uuid)))).order_by(table.id)
    return (await session.scalars(found)).all()


async def shares(session: AsyncSession, projects: Collection[str]) -> dict[str, rules.Shares]:
    """Return the share of audits that is sent to labelers, for each of these projects that does not send all."""
    table = tables.QualityReport
    found = await session.execute(select(table.project, table.second).where(table.project.in_(projects)))
    return {project: second for project, second in found if second}


async def add_tasks(session: AsyncSession, kind: str, tasks: Iterable[base.NewTask]) -> None:
    """Make these tasks; a capture that has one keeps it."""
    rows = [
        {
            "id": ids.uuid7(),
            "kind": kind,
            "project": task.capture.project,
            "capture_id": task.capture.id,
            "device": task.capture.device,
            "sha256": task.capture.sha256,
            "priority": task.priority,
            "state": states.TaskState.OPEN if task.draw.probability else states.TaskState.NOT_SAMPLED,
            "probability": task.draw.probability,
            "extra": task.draw.extra,
        }
        for task in tasks
    ]
    await db.insert_many(session, Task, rows)


async def lease(session: AsyncSession, project: str, person: str, count: int) -> list[UUID]:
    """Lease up to `count` tasks: those that the labeler holds already (renewed), then the next free ones.

    One statement, so two people never get the same task: free rows that another transaction locks are skipped. The person's own
    rows are waited for instead: an event handler may lock one for a moment, and the page would report it as taken by another person.
    """
    mine = _next(project, count).where(Task.leased_by == person).with_for_update().cte("mine")
    wanted = count - select(func.count()).select_from(mine).scalar_subquery()
    unheld = Task.leased_by.is_(None) | ((Task.leased_by != person) & (Task.leased_until < func.now()))
    free = _next(project, wanted).where(unheld).with_for_update(skip_locked=True).cte("free")
    taken = select(mine.c.id).union_all(select(free.c.id))
    leased = (
        update(Task)
        .where(Task.id.in_(taken))
        .values(leased_by=person, leased_until=func.now() + rules.LEASE)
        .returning(Task.id)
    )
    return list(await session.scalars(leased))


def _next(project: str, limit: int | ColumnElement[int]) -> Select[UUID]:
    waiting = select(Task.id).where(Task.project == project, Task.state == states.TaskState.OPEN)
    return waiting.order_by(Task.priority, Task.id).limit(limit)


async def details(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Row[Task, tables.Capture, tables.Image]]:
    """Rows of (task, capture, image), what is due first in front."""
    found = (
        select(Task, tables.Capture, tables.Image)
        .join(tables.Capture, tables.Capture.id == Task.capture_id)
        .join(tables.Image, (tables.Image.project == Task.project) & (tables.Image.sha256 == Task.sha256))
        .where(Task.id.in_(ids))
        .order_by(Task.priority, Task.id)
    )
    return (await session.execute(found)).all()


async def image(session: AsyncSession, task_id: UUID) -> tables.Image:
    of_task = (tables.Image.project == Task.project) & (tables.Image.sha256 == Task.sha256)
    found = await session.scalar(select(tables.Image).join(Task, of_task).where(Task.id == task_id))
    if found is None:
        raise errors.NotFound("There is no such task.")
    return found


async def project_of(session: AsyncSession, task_id: UUID) -> str:
    project: str | None = await session.scalar(select(Task.project).where(Task.id == task_id))
    if project is None:
        raise errors.NotFound("There is no such task.")
    return project


async def lock(session: AsyncSession, task_id: UUID) -> tuple[Task, str | None]:
    """Lock the task until the transaction ends; also returns the holder of its lease."""
    holder = case((Task.leased_until > func.now(), Task.leased_by), else_=null())
    found = (await session.execute(select(Task, holder).where(Task.id == task_id).with_for_update())).first()
    if found is None:
        raise errors.NotFound("There is no such task.")
    return found[0], found[1]


async def lock_of_capture(session: AsyncSession, capture_id: UUID) -> Task | None:
    return await session.scalar(select(Task).where(Task.capture_id == capture_id).with_for_update())


async def of_capture(session: AsyncSession, capture_id: UUID) -> Task | None:
    return await session.scalar(select(Task).where(Task.capture_id == capture_id))


async def unlabeled_key(session: AsyncSession, capture: tables.Capture) -> str:
    """Return where the copy of a capture lies while it has no label: where it was uploaded."""
    upload = await session.get(tables.Upload, capture.id)
    return (upload and upload.key) or rules.copy_key(capture, None)


async def history(session: AsyncSession, task_id: UUID) -> list[Annotation]:
    """All answers to a task, those taken back too, oldest first."""
    given = select(Annotation).where(Annotation.task_id == task_id).order_by(Annotation.at, Annotation.id)
    return list(await session.scalars(given))


async def lock_latest(
    session: AsyncSession, project: str, author: str, task_id: UUID | None = None
) -> Annotation | None:
    """The author's latest answer that stands, to one task or to any; None also when another request took it back at the same moment."""
    mine = select(Annotation).where(
        Annotation.project == project, Annotation.author == author, Annotation.undone_at.is_(None)
    )
    if task_id:
        mine = mine.where(Annotation.task_id == task_id)
    latest = mine.order_by(Annotation.at.desc(), Annotation.id.desc()).limit(1)
    return await session.scalar(latest.with_for_update())
