"""Control routes of deployments: the rollout policy, the state of rollouts, and decisions about them."""

from typing import Any

from deployer import decisions, policies, rollouts, status
from deployer.settings import Settings
from strop import control
from strop_contracts import control as documents
from strop_contracts import control_rollouts as reports

router = control.routes("deployer")


@router.post("/projects/{project}/rollback", status_code=201)
async def roll_back(
    project: str, wanted: documents.Rollback, session: control.Session, caller: control.Caller
) -> documents.RolledBack:
    """Return the whole fleet to an earlier model at once."""
    begun = await rollouts.roll_back(session, project, wanted.version, wanted.reason, caller.name)
    return documents.RolledBack(version=begun.model_version if begun else None)


@router.get("/projects/{project}/rollout")
async def show(project: str, session: control.Session) -> reports.Rollouts:
    """Return the newest deployments of a project: stages, checks, decisions."""
    return await status.of(session, project)


@router.get("/projects/{project}/rollout/policy")
async def policy(project: str, session: control.Session) -> reports.RolloutPolicy:
    """Return the rollout policy of a project, and the meaning of each value."""
    await status.require(session, project)
    version, values = await policies.newest(session, project, Settings())
    return reports.RolloutPolicy(
        version=version,
        values=[
            documents.PolicyValue(name=name, value=_shown(getattr(values, name)), meaning=field.description or "")
            for name, field in policies.RolloutPolicy.model_fields.items()
        ],
    )


def _shown(value: Any) -> str:
    """Return a value as `strop rollout policy` reads it."""
    match value:
        case dict():
            return ";".join(f"{group}={window}" for group, window in value.items())
        case list():
            return ",".join(f"{share:g}" for share in value)
        case float():
            return f"{value:g}"
    return str(value)


@router.patch("/projects/{project}/rollout/policy")
async def change(
    project: str, body: documents.PolicyChanges, session: control.Session, caller: control.Caller
) -> reports.RolloutPolicy:
    """Change values of the rollout policy. Stages count for the next rollout, all others at once."""
    await status.require(session, project)
    await policies.change(session, project, body.values, caller.name)
    return await policy(project, session)


@router.post("/projects/{project}/rollout/approve", status_code=204)
async def approve(project: str, body: documents.Signature, session: control.Session, caller: control.Caller) -> None:
    """Open the next stage now, and accept the harm that checks have found so far."""
    await decisions.approve(session, project, caller.name, body.reason)


@router.post("/projects/{project}/rollout/hold", status_code=204)
async def hold(project: str, body: documents.Signature, session: control.Session, caller: control.Caller) -> None:
    """Let no further stage open."""
    await decisions.hold(session, project, caller.name, body.reason)


@router.post("/projects/{project}/rollout/resume", status_code=204)
async def resume(project: str, body: documents.Signature, session: control.Session, caller: control.Caller) -> None:
    """End a hold."""
    await decisions.resume(session, project, caller.name, body.reason)


@router.post("/projects/{project}/rollout/abort", status_code=201)
async def abort(
    project: str, body: documents.Signature, session: control.Session, caller: control.Caller
) -> documents.RolledBack:
    """Take the running rollout back."""
    begun = await decisions.abort(session, project, caller.name, body.reason)
    return documents.RolledBack(version=begun.model_version if begun else None)
