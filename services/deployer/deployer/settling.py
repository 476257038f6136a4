"""Moves deployments on, each project in a transaction of its own.

Copies of the service take turns by the project's lock, and read its state under it: the second one finds nothing to do.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from deployer import baselines, decisions, looks, policies, queries, rollouts, rules
from deployer.settings import Settings
from strop import db, loops
from strop_contracts import states, tables


class Settling:
    def __init__(self, make: db.Sessions, settings: Settings) -> None:
        self._make = make
        self._settings = settings
        grace = min(settings.online_window, rules.GRACE)
        self._limits = rules.Limits(settings.stage_timeout, settings.failure_share, settings.minimum_share, grace)

    async def tick(self) -> None:
        """Assign late devices and take the next step of every running deployment."""
        async with self._make() as session:
            projects = await queries.unsettled(session)
            rollbacks = await queries.unrestored(session)
        for rollback, project in rollbacks:
            with loops.isolated(project=project):
                async with self._make.begin() as session:
                    await queries.note_restored(session, rollback, self._settings.online_window)
        for project in projects:
            with loops.isolated(project=project):
                async with self._make.begin() as session:
                    await self._settle(session, project)

    async def _settle(self, session: AsyncSession, project: str) -> None:
        await queries.lock(session, project)
        if deployment := await queries.running(session, project):
            await rollouts.join(session, deployment, self._settings.online_window)
            await self._act(session, deployment)
        await self._assign_strays(session, project)

    async def _act(self, session: AsyncSession, deployment: tables.Deployment) -> None:
        _, policy = await policies.newest(session, deployment.project, self._settings)
        progress = await queries.progress(session, deployment, self._settings.online_window)
        action = rules.next_action(progress, self._limits)
        held = deployment.held_at is not None
        if not isinstance(action, rules.RollBack) and (harm := await looks.take(session, deployment, policy)):
            await self._stop(session, deployment, policy, f"{harm.name}: {harm.sentence}")
            return
        match action:
            case rules.Advance():
                await self._advance(session, deployment, policy, progress)
            case rules.Widen(count) if not held:
                await queries.bring_forward(session, deployment, count, self._settings.online_window)
                await baselines.take(session, deployment)
                await rollouts.open_stage(session, deployment, deployment.stage)
            case rules.Finish() if not held:
                await rollouts.end(session, deployment, states.DeploymentState.SUCCEEDED)
            case rules.RollBack(reason):
                await rollouts.roll_back(session, deployment.project, None, reason, states.AUTOMATIC)
            case rules.Wait() if progress.unsent:  # the clock of a stage starts when all of it has been published
                closed = await policies.closed_groups(session, deployment.project, self._settings)
                waits_for = f"the maintenance windows of {', '.join(sorted(closed))}" if closed else None
                await queries.set_stage(session, deployment, deployment.stage, waits_for)

    async def _stop(
        self, session: AsyncSession, deployment: tables.Deployment, policy: policies.RolloutPolicy, reason: str
    ) -> None:
        """Take a model that does harm back, or hold its rollout for a person to decide."""
        if policy.on_breach == "hold":
            await decisions.hold_back(session, deployment, states.AUTOMATIC, reason)
        else:
            await rollouts.roll_back(session, deployment.project, None, reason, states.AUTOMATIC)

    async def _advance(
        self,
        session: AsyncSession,
        deployment: tables.Deployment,
        policy: policies.RolloutPolicy,
        progress: rules.Progress,
    ) -> None:
        """Open the next stage, unless something is still to be waited for."""
        compared = (
            deployment.previous_version is not None and policy.soak > 0
        )  # a first model has none to be compared with
        soak = policy.soak if compared else 0
        waits_for = rules.waits_for(
            held=deployment.held_at is not None,
            soaks_until=deployment.stage_at + timedelta(seconds=soak) if progress.age < soak else None,
            predictions=deployment.predictions,
            min_predictions=policy.min_predictions if compared else 0,
            approval=policy.approval == "every" or (policy.approval == "first" and deployment.stage == 0),
        )
        following = await queries.next_stage(session, deployment)
        if waits_for or following is None:
            await queries.wait_for(session, deployment, waits_for)
        else:
            await rollouts.open_stage(session, deployment, following)

    async def _assign_strays(self, session: AsyncSession, project: str) -> None:
        """A device that no stage has reached gets the project's current model."""
        good = await queries.newest_succeeded(session, project)
        if good and (strays := await queries.strays(session, project)):
            await queries.enlist(session, good, dict.fromkeys(strays, good.stage), current=True)
