"""Deletion of a project: every service removes its own part, then the row goes and the name is free.

The row lists the services that have not answered. An answer to an earlier deletion of the same name changes nothing.
"""

from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels.api import faults
from custom_labels.api.call import Call
from custom_labels.projects import queries
from strop import clearing, outbox
from strop_contracts import events, states, tables, topology
from strop_wire import ids

log = structlog.get_logger()

KEPT_FOR = (
    (tables.ProjectVersion.project, (), "model versions"),
    # A hosted model without a version was deleted by its user.
    (tables.ModelVersion.project, (tables.ModelVersion.state != states.ModelState.HOSTED,), "trained models"),
    (tables.Device.project, (), "enrolled devices"),
    (tables.Capture.project, (), "captures"),
    (tables.DatasetItem.project, (), "images of a base data set"),
)
"""Column of the project's name, conditions, and a word for the error: a project with any such row is not deleted."""


async def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Mark a project as deleted and ask every service to clear its part."""
    project = await queries.find(call, request["ProjectArn"], lock=True)
    for column, conditions, what in KEPT_FOR:
        if await call.session.scalar(select(column).where(column == project.name, *conditions).limit(1)):
            raise faults.ResourceInUseException(f"The project still has {what}: delete those first.")
    busy = tables.HostedDataset.project == project.name, tables.HostedDataset.status.endswith("IN_PROGRESS")
    if await call.session.scalar(select(tables.HostedDataset.id).where(*busy).limit(1)):
        raise faults.ResourceInUseException("A data set of the project is being changed.")
    project.deletion_id = ids.uuid7()
    project.uncleared = list(topology.ROUTES[events.ProjectDeleted])
    deleted = events.ProjectDeleted(project=project.name, deletion_id=project.deletion_id)
    await outbox.add(call.session, deleted)
    return {"Status": "DELETING"}


async def on_project_cleared(event: events.ProjectCleared, session: AsyncSession) -> None:
    """Note that a service has cleared its part; remove the project's row after the last one."""
    await clearing.lock(session, event.project, shared=False)  # no service is in the middle of clearing
    project = await session.get(tables.Project, event.project, with_for_update=True)
    if project is None or project.deletion_id != event.deletion_id:
        return
    project.uncleared = [service for service in project.uncleared if service != event.service]
    if not project.uncleared:
        await session.delete(project)
        log.info("project_deleted", project=event.project)
