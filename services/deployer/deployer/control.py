"""Control routes of deployments: take a model back."""

from deployer import rollouts
from strop import control
from strop_contracts import control as documents

router = control.routes("deployer")


@router.post("/projects/{project}/rollback", status_code=201)
async def roll_back(project: str, wanted: documents.Rollback, session: control.Session) -> documents.RolledBack:
    """Return the whole fleet to an earlier model at once."""
    begun = await rollouts.roll_back(session, project, wanted.version, wanted.reason)
    return documents.RolledBack(version=begun.model_version if begun else None)
