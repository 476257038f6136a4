"""Projects by their ARN."""

from custom_labels.api import arns, faults
from custom_labels.api.call import Call
from strop_contracts import tables


async def find(call: Call, arn: str, *, lock: bool = False) -> tables.Project:
    """Return the project of an ARN; ResourceNotFoundException if there is none, or if it is being deleted.

    With `lock`, no other transaction changes its parts until this one ends.
    """
    parsed = arns.parse(call.settings, arn)
    if parsed is not None and parsed.kind == "project":
        project = await call.session.get(tables.Project, parsed.name, with_for_update=lock or None)
        if project is not None and parsed.fits(project.at) and project.deletion_id is None:
            return project
    raise faults.ResourceNotFoundException(f"There is no project {arn}.")
