"""Starting deployments and taking them back. Each function works under the project's lock and never commits."""

from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import baselines, metrics, policies, queries, rules
from deployer.settings import Settings
from strop import outbox
from strop_contracts import errors, events, states, tables

log = structlog.get_logger()


async def start(session: AsyncSession, project: str, version: int, settings: Settings) -> None:
    """Roll an approved model version out, once; it supersedes a running deployment.

    A version that comes after a newer one has started (events have no order) is recorded as superseded.
    """
    await queries.lock(session, project)
    model = await queries.model(session, project, version)
    if model is None or model.state != states.ModelState.APPROVED:
        raise errors.InvalidMessage(f"{project} has no approved model version {version}")
    seen = await queries.rollouts(session, project)
    if version in seen:
        log.info("rollout_repeated", model_version=version)
        return
    good = await queries.newest_succeeded(session, project)
    _, policy = await policies.newest(session, project, settings)
    create = partial(
        queries.create,
        session,
        project,
        version,
        kind=states.DeploymentKind.ROLLOUT,
        shares=policy.stages,
        previous=good.model_version if good else None,
    )
    if newer := max((other for other in seen if other > version), default=None):
        await create(state=states.DeploymentState.SUPERSEDED, reason=f"{rules.model_name(newer)} came first")
        return
    if running := await queries.running(session, project):
        await end(session, running, states.DeploymentState.SUPERSEDED, f"{rules.model_name(version)} came")
    deployment = await create()
    if running and running.held_by not in {None, states.AUTOMATIC}:  # a person's hold outlasts the model that it met
        await queries.hold(session, deployment, str(running.held_by), str(running.held_reason))
    await _begin(session, deployment, settings.online_window)
    await baselines.take(session, deployment)


async def roll_back(
    session: AsyncSession, project: str, to_version: int | None, reason: str, by: str
) -> tables.Deployment | None:
    """Take the running or current model back, for the whole fleet at once, to `to_version` or else to the last good one.

    `by` is a user, or `states.AUTOMATIC`. Returns the deployment that does it; None when a first rollout was stopped and there is nothing to return to.
    Refused or NotFound say why it cannot be done.
    """
    await queries.lock(session, project)
    bad = await queries.running(session, project) or await queries.newest_succeeded(session, project)
    if bad is None:
        raise errors.Refused(f"nothing is deployed in {project}")
    if to_version is None:
        known = await queries.outcomes(session, project)
        version = rules.last_good(bad.model_version, bad.previous_version, known)
    else:
        version = await _checked(session, bad, to_version)
    first = bad.state == states.DeploymentState.RUNNING and bad.kind == states.DeploymentKind.ROLLOUT
    if version is None and not first:
        raise errors.Refused(f"{project} has no earlier good model")
    await end(session, bad, states.DeploymentState.ROLLED_BACK, reason)
    reached = await queries.taken_back(session, bad, by)
    await outbox.add(
        session,
        events.DeploymentRolledBack(
            project=project,
            deployment_id=bad.id,
            model_version=bad.model_version,
            to_version=version,
            automatic=by == states.AUTOMATIC,
            by=by,
            reason=reason,
            devices_reached=reached,
        ),
    )
    if version is None:
        await queries.withdraw(session, bad)
        return None
    deployment = await queries.create(
        session,
        project,
        version,
        kind=states.DeploymentKind.ROLLBACK,
        shares=[1.0],
        previous=bad.model_version,
        reason=reason,
    )
    await _begin(session, deployment)
    return deployment


async def _checked(session: AsyncSession, bad: tables.Deployment, version: int) -> int:
    model = await queries.model(session, bad.project, version)
    if model is None:
        raise errors.NotFound(f"{bad.project} has no model version {version}")
    if model.state != states.ModelState.APPROVED:
        raise errors.Refused(f"model version {version} is {model.state}")
    if version == bad.model_version:
        raise errors.Refused(f"model version {version} is the one to be taken back")
    return version


async def open_stage(session: AsyncSession, deployment: tables.Deployment, stage: int) -> None:
    """Let the devices of the stages up to this one follow the deployment; the stage's clock starts."""
    log.info("stage_opened", project=deployment.project, model_version=deployment.model_version, stage=stage)
    await queries.follow(session, deployment, stage)
    await queries.set_stage(session, deployment, stage)


async def _begin(session: AsyncSession, deployment: tables.Deployment, online_window: float = 0) -> None:
    """Give the devices their stages; without a window all count as offline, which is enough for a single stage."""
    await join(session, deployment, online_window)
    log.info(
        "deployment_started",
        project=deployment.project,
        model_version=deployment.model_version,
        kind=deployment.kind,
        reason=deployment.reason,
    )


async def join(session: AsyncSession, deployment: tables.Deployment, online_window: float) -> None:
    """Assign a stage to every device that is not in the deployment yet; the first assignment prefers devices that are online."""
    if not (devices := await queries.missing(session, deployment)):
        return
    name, shares = str(deployment.id), deployment.stages
    if await queries.empty(session, deployment):
        online = await queries.online(session, deployment.project, online_window)
        stages = rules.assign(devices, online, name, shares)
    else:
        stages = {device: rules.late(device, name, shares) for device in devices}
    await queries.enlist(session, deployment, stages)
    await queries.follow(session, deployment, deployment.stage)


async def end(
    session: AsyncSession, deployment: tables.Deployment, state: states.DeploymentState, reason: str | None = None
) -> None:
    await queries.end(session, deployment, state, reason)
    await baselines.drop(session, deployment)
    metrics.DEPLOYMENTS.labels(deployment.project, deployment.kind, state).inc()
    log.info(
        "deployment_ended",
        project=deployment.project,
        model_version=deployment.model_version,
        state=state,
        reason=reason,
    )
