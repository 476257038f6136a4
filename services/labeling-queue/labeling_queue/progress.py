"""Open tasks and answers per person; read-only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables


@dataclass(frozen=True, slots=True)
class Share:
    """What one person did."""

    author: str
    answers: int


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` counts answers that stand, given since `since`."""

    waiting: int
    done: int
    since: datetime
    by: list[Share]


async def progress(session: AsyncSession, project: str, since: datetime) -> Progress:
    waiting = select(func.count()).where(
        tables.LabelTask.project == project, tables.LabelTask.state == states.TaskState.OPEN
    )
    answers = func.count()
    shares = (
        select(tables.Annotation.author, answers)
        .where(
            tables.Annotation.project == project,
            tables.Annotation.at >= since,
            tables.Annotation.undone_at.is_(None),
        )
        .group_by(tables.Annotation.author)
        .order_by(answers.desc(), tables.Annotation.author)
    )
    by = [Share(author, count) for author, count in await session.execute(shares)]
    return Progress(await session.scalar(waiting) or 0, sum(share.answers for share in by), since, by)
