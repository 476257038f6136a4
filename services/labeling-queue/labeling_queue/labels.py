"""The labels of a project, and the names of folders that may be new labels. Nothing here commits.

A label that comes from the name of a folder becomes a class only after a person has confirmed it: a misspelled folder
would make one in silence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, union
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute

from labeling_queue import rules
from strop import outbox
from strop_contracts import control, errors, events, tables
from strop_wire import fields

Folder, Filed = tables.FolderLabel, tables.FiledLabel


async def all_(session: AsyncSession, project: str) -> list[str]:
    """Return the labels of the project: of its base data, of its ground truth, and those confirmed; sorted."""
    base, field, folder = (select(label).where(*where) for label, where in _sources(project))
    return sorted(filter(None, await session.scalars(union(base, field, folder))))


async def is_known(session: AsyncSession, project: str, label: str) -> bool:
    """Whether the project has this label."""
    # One after the other, by an index each: the first one has it in most cases.
    for column, where in _sources(project):
        if await session.scalar(select(exists().where(*where, column == label))):
            return True
    return False


def _sources(project: str) -> Sequence[tuple[QueryableAttribute[Any], Sequence[ColumnElement[bool]]]]:
    """Return the columns that hold labels, each with the condition of the rows that count."""
    item, truth = tables.DatasetItem, tables.GroundTruth
    return (
        (item.label, (item.project == project, item.refused.is_(None))),
        (truth.label, (truth.project == project, truth.label.is_not(None))),
        (Folder.label, (Folder.project == project,)),
    )


async def of_folder(session: AsyncSession, project: str, name: str) -> str:
    """Return the label that the name of a folder stands for."""
    decided = await session.get(Folder, (project, name))
    return decided.label if decided else name


async def wait(session: AsyncSession, project: str, capture_id: UUID, name: str, at: datetime) -> None:
    """Note that a file lies in the folder of an unknown label since `at`; the newest folder counts."""
    new = postgresql.insert(Filed).values(capture_id=capture_id, project=project, label=name, at=at)
    values = {"label": new.excluded.label, "at": new.excluded.at}
    await session.execute(
        new.on_conflict_do_update(index_elements=[Filed.capture_id], set_=values, where=Filed.at <= new.excluded.at)
    )


async def settle(session: AsyncSession, capture_id: UUID, until: datetime | None = None) -> bool:
    """Note that a capture waits for no label any more, or for none of up to this moment; returns whether it did."""
    mine = delete(Filed).where(Filed.capture_id == capture_id).returning(Filed.capture_id)
    return (await session.execute(mine.where(Filed.at <= until) if until else mine)).first() is not None


async def waits_since(session: AsyncSession, capture_id: UUID) -> datetime | None:
    """Return since when a capture waits for a decision about the name of its folder; None if it does not."""
    at: datetime | None = await session.scalar(select(Filed.at).where(Filed.capture_id == capture_id))
    return at


async def waiting(session: AsyncSession, project: str) -> list[control.WaitingLabel]:
    """Return the names of folders that wait for a decision, with the number of their images and the most similar label."""
    count = func.count()
    rows = select(Filed.label, count, func.min(Filed.at)).where(Filed.project == project).group_by(Filed.label)
    known = await all_(session, project)
    return [
        control.WaitingLabel(name=name, images=images, since=since, nearest=rules.nearest(name, known))
        for name, images, since in await session.execute(rows.order_by(count.desc(), Filed.label))
    ]


async def decide(session: AsyncSession, project: str, name: str, label: str, author: str) -> int:
    """Let the name of a folder stand for a label, now and later; returns how many images waited for that.

    A label other than the name must be one that the project has.
    """
    name, label = _read(name), _read(label)
    if label != name and not await is_known(session, project, label):
        nearest = rules.nearest(label, await all_(session, project))
        hint = f": is it {nearest!r}?" if nearest else ""
        raise errors.Refused(f"project {project} has no label {label!r}{hint}")
    rows = (await session.scalars(select(Filed).where(Filed.project == project, Filed.label == name))).all()
    if not rows:
        raise errors.NotFound(f"no image of project {project} lies in the folder of an unknown label {name!r}")
    new = postgresql.insert(Folder).values(project=project, name=name, label=label, author=author)
    values = {"label": label, "author": author, "at": func.now()}
    await session.execute(new.on_conflict_do_update(index_elements=[Folder.project, Folder.name], set_=values))
    about = [{"capture_id": row.capture_id, "label": name, "at": row.at} for row in rows]
    await outbox.add(session, *(events.LabelFiled(project=project, **each) for each in about))
    return len(rows)


def _read(label: str) -> str:
    try:
        return fields.label(label)
    except fields.Malformed as error:
        raise errors.Refused(str(error)) from error
