"""Tags of projects, data sets and project versions."""

from typing import Any

from custom_labels.api import arns, faults
from custom_labels.api.call import Call
from custom_labels.datasets import operations as datasets
from custom_labels.projects import queries as projects
from custom_labels.versions import operations as versions
from strop_contracts import tables

MOST = 200
"""Tags a resource can have."""

Tagged = tables.Project | tables.HostedDataset | tables.ProjectVersion


async def tag(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Add tags; a key that is there gets the new value."""
    resource = await _find(call, request["ResourceArn"], lock=True)
    tags = {**resource.tags, **request["Tags"]}
    if len(tags) > MOST:
        raise faults.ServiceQuotaExceededException(f"A resource has {MOST} tags at the most.")
    resource.tags = tags
    return {}


async def untag(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags away; a key that is not there is no error."""
    resource = await _find(call, request["ResourceArn"], lock=True)
    resource.tags = {key: value for key, value in resource.tags.items() if key not in request["TagKeys"]}
    return {}


async def list_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": (await _find(call, request["ResourceArn"])).tags}


async def _find(call: Call, arn: str, *, lock: bool = False) -> Tagged:
    parsed = arns.parse(call.settings, arn)
    match parsed.kind if parsed else None:
        case "project":
            return await projects.find(call, arn, lock=lock)
        case "dataset":
            return await datasets.find(call, arn, lock=lock)
        case "version":
            return await versions.find(call, arn, lock=lock)
        case _:
            raise faults.ResourceNotFoundException(f"There is no resource {arn}.")
