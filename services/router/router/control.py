"""Control routes of the router: policies and live accuracy."""

from router import policies, rules
from router.quality import queries as quality
from strop import control
from strop_contracts import control as documents
from strop_contracts import control_quality, errors, tables

HISTORY = 1000
"""Points of the accuracy over time in an answer."""

router = control.routes("router")


@router.get("/projects/{project}/policy")
async def show(project: str, session: control.Session) -> documents.Policy:
    """Return the current policy of a project and the meaning of each value."""
    await policies.require_project(session, project)
    return _document(*await policies.newest(session, project))


@router.patch("/projects/{project}/policy")
async def change(project: str, changes: documents.PolicyChanges, session: control.Session) -> documents.Policy:
    """Create a new version of the policy with these values changed; it takes effect at once."""
    await policies.set_policy(session, project, changes.values)
    return _document(*await policies.newest(session, project))


@router.get("/projects/{project}/quality")
async def field_accuracy(project: str, session: control.Session) -> control_quality.Quality:
    """Return what the models of a project get right in the field; NotFound before its devices have counted images."""
    await policies.require_project(session, project)
    found = await session.get(tables.QualityReport, project)
    if found is None:
        raise errors.NotFound(f"the devices of {project} have reported no images yet")
    points = await quality.history(session, project, HISTORY)
    return found.report.model_copy(update={"history": points})


def _shown(value: object) -> str:
    """Return a value as `strop policy set` reads it."""
    if isinstance(value, dict):
        return ",".join(f"{name}={share}" for name, share in value.items())
    return str(value)


def _document(version: int, policy: rules.Policy) -> documents.Policy:
    values = [
        documents.PolicyValue(name=name, value=_shown(getattr(policy, name)), meaning=field.description or "")
        for name, field in rules.Policy.model_fields.items()
    ]
    return documents.Policy(version=version, values=values)
