"""Deletion of a project in one service: its objects, then its rows, then the answer. Every part is idempotent.

A message of an earlier deletion may arrive late or twice, also after the name is in use again. So each service compares the
event with the project's row, under a shared lock that keeps the row from being removed meanwhile.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Delete, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, outbox
from strop_contracts import events, keys, services, tables


class Clearing:
    """Removes the rows that a service owns and the objects in its folders, for each deleted project."""

    def __init__(
        self, runtime: app.Runtime, service: services.Service, folders: Sequence[str] = (), also: services.Tables = ()
    ) -> None:
        """`folders` are of `strop_contracts.keys`; `also` are tables beside those that the service owns alone."""
        self._runtime = runtime
        self._service = service
        self._folders = folders
        self._tables = (*service.owns, *also)

    async def on_project_deleted(self, event: events.ProjectDeleted) -> None:
        """Clear the service's part and answer with ProjectCleared; nothing if this deletion is over."""
        async with self._runtime.sessions() as session:
            if not await _in_progress(session, event):
                return
        for folder in self._folders:
            async for key in self._runtime.storage.keys(keys.below(event.project, folder)):
                await self._runtime.storage.delete(key)
        async with self._runtime.sessions.begin() as session:
            await lock(session, event.project, shared=True)
            if not await _in_progress(session, event):
                return
            for statement in statements(self._tables, event.project):
                await session.execute(statement)
            cleared = {"project": event.project, "deletion_id": event.deletion_id, "service": self._service.name}
            await outbox.add(session, events.ProjectCleared.model_validate(cleared))


async def lock(session: AsyncSession, project: str, *, shared: bool) -> None:
    """Wait for the lock of a project's deletion: shared to clear a part, exclusive to remove the project itself.

    It ends with the transaction.
    """
    acquire = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    await session.execute(select(acquire(func.hashtextextended(f"project deletion {project}", 0))))


async def _in_progress(session: AsyncSession, event: events.ProjectDeleted) -> bool:
    deletion = select(tables.Project.deletion_id).where(tables.Project.name == event.project)
    return await session.scalar(deletion) == event.deletion_id


def statements(owned: services.Tables, project: str) -> list[Delete]:
    """Return the statements that delete a project's rows from these tables; rows that refer to others go first.

    A table without a column `project` is reached through its foreign key to one of the others.
    """
    names = {table.__tablename__ for table in owned}
    ours = [table for table in reversed(tables.Base.metadata.sorted_tables) if table.name in names]
    conditions = [(table, _of_project(table, project)) for table in ours]
    return [delete(table).where(condition) for table, condition in conditions if condition is not None]


def _of_project(table: Table, project: str) -> ColumnElement[bool] | None:
    if "project" in table.c:
        return table.c.project == project
    for key in table.foreign_keys:
        if "project" in key.column.table.c:
            return key.parent.in_(select(key.column).where(key.column.table.c.project == project))
    return None
