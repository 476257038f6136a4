"""What people decide about a running rollout. Each function works under the project's lock and never commits.

The deployer itself only holds a rollout or takes it back; what a person has decided stays: an approved breach is not acted on again.
"""

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import queries, rollouts
from strop_contracts import errors, states, tables

log = structlog.get_logger()

D = tables.Deployment
C = tables.RolloutCheck


async def approve(session: AsyncSession, project: str, by: str, reason: str) -> None:
    """Open the next stage now, whatever holds it; checks that found harm so far are waived for the rest of the rollout.

    Refused if no stage is left to open and nothing is held.
    """
    deployment = await _running(session, project)
    following = await queries.next_stage(session, deployment)
    if following is None and not deployment.held_at:
        raise errors.Refused(f"the last stage of the rollout in {project} is open: there is nothing to approve")
    await _record(session, deployment, states.RolloutAction.APPROVE, by, reason)
    await session.execute(
        update(D).where(D.id == deployment.id).values(waived=sorted(await _breached(session, deployment)), **RELEASED)
    )
    if following is not None:
        await rollouts.open_stage(session, deployment, following)


async def hold(session: AsyncSession, project: str, by: str, reason: str) -> None:
    """Let no stage open until `approve` or `resume`. A breach still takes the fleet back."""
    deployment = await _running(session, project)
    await _record(session, deployment, states.RolloutAction.HOLD, by, reason)
    await hold_back(session, deployment, by, reason)


async def hold_back(session: AsyncSession, deployment: D, by: str, reason: str) -> None:
    """Mark a rollout as held. The hold of a person is not replaced by an automatic one."""
    if by == states.AUTOMATIC and deployment.held_at:
        return
    await queries.hold(session, deployment, by, reason)


async def resume(session: AsyncSession, project: str, by: str, reason: str) -> None:
    """End a hold: the rollout goes on by its rules. Refused if it is held for a breach, which needs `approve`."""
    deployment = await _running(session, project)
    if not deployment.held_at:
        raise errors.Refused(f"the rollout in {project} is not held")
    if deployment.held_by == states.AUTOMATIC:
        raise errors.Refused(f"the rollout is held because {deployment.held_reason}: approve it or abort it")
    await _record(session, deployment, states.RolloutAction.RESUME, by, reason)
    await session.execute(update(D).where(D.id == deployment.id).values(**RELEASED))


async def abort(session: AsyncSession, project: str, by: str, reason: str) -> D | None:
    """Take the running rollout back; returns the deployment that does it, or None if a first rollout was stopped."""
    deployment = await _running(session, project)
    await _record(session, deployment, states.RolloutAction.ABORT, by, reason)
    return await rollouts.roll_back(session, project, None, reason, by)


RELEASED = {"held_at": None, "held_by": None, "held_reason": None, "waits_for": None}


async def _running(session: AsyncSession, project: str) -> D:
    """Return the running rollout under the project's lock. Refused if there is none, or if it is the way back."""
    await queries.lock(session, project)
    deployment = await queries.running(session, project)
    if deployment is None or deployment.kind != states.DeploymentKind.ROLLOUT:
        raise errors.Refused(f"no rollout is running in {project}")
    return deployment


async def _record(session: AsyncSession, deployment: D, action: states.RolloutAction, by: str, reason: str) -> None:
    session.add(
        tables.RolloutDecision(
            deployment_id=deployment.id,
            project=deployment.project,
            action=action,
            stage=deployment.stage,
            by=by,
            reason=reason,
        )
    )
    log.info("rollout_decided", project=deployment.project, action=action, by=by, reason=reason)


async def _breached(session: AsyncSession, deployment: D) -> set[str]:
    """Return the names of the checks that have found harm in this rollout."""
    breaches = select(C.name).where(C.deployment_id == deployment.id, C.verdict == states.CheckVerdict.BREACH)
    return {*(await session.scalars(breaches)), *deployment.waived}
