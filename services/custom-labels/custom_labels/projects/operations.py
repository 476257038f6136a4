"""Projects: the same rows as the fleets'. Deleting one takes time, so it is marked first and an event follows."""

from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from custom_labels.api import arns, faults, paging
from custom_labels.api.call import Call
from strop import app, outbox
from strop_contracts import events, tables

RESERVED = {".", ".."}
"""Names that would be another place in a path."""

FEATURE = "CUSTOM_LABELS"

KEEPERS = (
    (tables.ProjectVersion, "model versions"),
    (tables.ModelVersion, "trained models"),
    (tables.Device, "enrolled devices"),
    (tables.Capture, "captures"),
    (tables.DatasetItem, "images of a base data set"),
)
"""A project that has any of these is not deleted."""

OWNED = (
    tables.HostedDataset,
    tables.ProjectPolicy,
    tables.Image,
    tables.Policy,
    tables.TriggerDecision,
    tables.DatasetVersion,
    tables.TrainingRun,
)
"""What goes with a project; entries and changes go with their data set."""


async def create(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request["ProjectName"]
    if name in RESERVED:
        raise faults.InvalidParameterException(f"A project cannot be named {name!r}.")
    if request.get("Feature", FEATURE) != FEATURE or request.get("AutoUpdate") == "ENABLED":
        raise faults.InvalidParameterException(
            "Only Feature CUSTOM_LABELS is here; AutoUpdate belongs to CONTENT_MODERATION."
        )
    values = {"name": name, "tags": request.get("Tags", {})}
    statement = insert(tables.Project).values(values).on_conflict_do_nothing().returning(tables.Project)
    made = await call.session.scalar(statement)
    if made is None:
        raise faults.ResourceInUseException(f"A project named {name} exists already.")
    return {"ProjectArn": arns.project(call.settings, made)}


async def describe(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """List projects in the order of their names; a name that nobody has is left out."""
    table, size = tables.Project, request.get("MaxResults", 100)
    after = paging.read("DescribeProjects", request)
    wanted = select(table).order_by(table.name).limit(size + 1)
    if after is not None:
        wanted = wanted.where(table.name > after)
    if "ProjectNames" in request:
        wanted = wanted.where(table.name.in_(request["ProjectNames"]))
    found = list(await call.session.scalars(wanted)) if FEATURE in request.get("Features", [FEATURE]) else []
    datasets = await _datasets(call, [project.name for project in found])
    token = paging.write("DescribeProjects", request, found[size - 1].name) if len(found) > size else None
    described = [_description(call, project, datasets.get(project.name, [])) for project in found[:size]]
    return {"ProjectDescriptions": described, "NextToken": token}


async def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Mark a project as being deleted; its objects and rows go when the event comes around."""
    project = await find(call, request["ProjectArn"], lock=True)
    for table, what in KEEPERS:
        if await call.session.scalar(select(table.project).where(table.project == project.name).limit(1)):
            raise faults.ResourceInUseException(f"The project still has {what}: delete those first.")
    busy = tables.HostedDataset.project == project.name, tables.HostedDataset.status.endswith("IN_PROGRESS")
    if await call.session.scalar(select(tables.HostedDataset.id).where(*busy).limit(1)):
        raise faults.ResourceInUseException("A data set of the project is being changed.")
    project.deleting = True
    await outbox.add(call.session, events.ProjectDeletionRequested(project=project.name))
    return {"Status": "DELETING"}


async def find(call: Call, arn: str, *, lock: bool = False) -> tables.Project:
    """Look a project up by its ARN; with `lock`, nobody else changes its parts until the transaction ends."""
    parsed = arns.parse(call.settings, arn)
    if parsed is not None and parsed.kind == "project":
        found = await call.session.get(tables.Project, parsed.name, with_for_update=lock or None)
        if found is not None and parsed.fits(found.at) and not found.deleting:
            return found
    raise faults.ResourceNotFoundException(f"There is no project {arn}.")


async def _datasets(call: Call, projects: list[str]) -> dict[str, list[tables.HostedDataset]]:
    table = tables.HostedDataset
    wanted = select(table).where(table.project.in_(projects), table.version_id.is_(None)).order_by(table.kind.desc())
    found: dict[str, list[tables.HostedDataset]] = {}
    for row in await call.session.scalars(wanted):
        found.setdefault(row.project, []).append(row)
    return found


def _description(call: Call, project: tables.Project, datasets: list[tables.HostedDataset]) -> dict[str, Any]:
    return {
        "ProjectArn": arns.project(call.settings, project),
        "CreationTimestamp": project.at,
        "Status": "DELETING" if project.deleting else "CREATED",
        "Datasets": [
            {
                "CreationTimestamp": dataset.at,
                "DatasetType": dataset.kind,
                "DatasetArn": arns.dataset(call.settings, dataset),
                "Status": dataset.status,
                "StatusMessage": dataset.message,
                "StatusMessageCode": dataset.code,
            }
            for dataset in datasets
        ],
        "Feature": FEATURE,
    }


async def clear(runtime: app.Runtime, event: events.ProjectDeletionRequested) -> None:
    """Delete a project's objects, then its rows. Nobody can make a project of this name before that is done."""
    name = event.project
    async with runtime.sessions() as session:
        project = await session.get(tables.Project, name)
    if project is None or not project.deleting:
        return
    async for key in runtime.storage.keys(f"{name}/"):
        await runtime.storage.delete(key)
    async with runtime.sessions.begin() as session:
        for table in OWNED:
            await session.execute(delete_rows(table).where(table.project == name))
        await session.execute(delete_rows(tables.Project).where(tables.Project.name == name))
