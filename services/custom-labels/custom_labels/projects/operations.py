"""Projects: created and described. The same rows as those of fleets."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from custom_labels.api import arns, faults, paging, shapes
from custom_labels.api.call import Call
from strop_contracts import tables

RESERVED = {".", ".."}
"""Names that would be another place in a path."""


async def create(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request["ProjectName"]
    if name in RESERVED:
        raise faults.InvalidParameterException(f"A project cannot be named {name!r}.")
    if request.get("Feature", shapes.FEATURE) != shapes.FEATURE or request.get("AutoUpdate") == "ENABLED":
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
    """List projects in the order of their names; names of no project are left out."""
    table, size = tables.Project, request.get("MaxResults", 100)
    after = paging.read("DescribeProjects", request)
    wanted = select(table).order_by(table.name).limit(size + 1)
    if after is not None:
        wanted = wanted.where(table.name > after)
    if "ProjectNames" in request:
        wanted = wanted.where(table.name.in_(request["ProjectNames"]))
    found = (
        list(await call.session.scalars(wanted)) if shapes.FEATURE in request.get("Features", [shapes.FEATURE]) else []
    )
    datasets = await _datasets(call, [project.name for project in found])
    token = paging.write("DescribeProjects", request, found[size - 1].name) if len(found) > size else None
    described = [_description(call, project, datasets.get(project.name, [])) for project in found[:size]]
    return {"ProjectDescriptions": described, "NextToken": token}


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
        "Status": "DELETING" if project.deletion_id else "CREATED",
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
        "Feature": shapes.FEATURE,
    }
