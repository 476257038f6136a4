"""Moves deployments on, each project in a transaction of its own.

Copies of the service take turns by the project's lock, and read its state under it: the second one finds nothing to do.
"""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import queries, rollouts, rules
from deployer.settings import Settings
from strop import db, loops
from strop_contracts import states, tables

log = structlog.get_logger()


class Settling:
    def __init__(self, make: db.Sessions, settings: Settings) -> None:
        self._make = make
        self._online_window = settings.online_window
        grace = min(settings.online_window, rules.GRACE)
        self._limits = rules.Limits(settings.stage_timeout, settings.failure_share, settings.minimum_share, grace)

    async def tick(self) -> None:
        """Assign late devices and take the next step of every running deployment."""
        async with self._make() as session:
            projects = await queries.unsettled(session)
        for project in projects:
            with loops.isolated(project=project):
                async with self._make.begin() as session:
                    await self._settle(session, project)

    async def _settle(self, session: AsyncSession, project: str) -> None:
        await queries.lock(session, project)
        if deployment := await queries.running(session, project):
            await rollouts.join(session, deployment, self._online_window)
            await self._act(session, deployment)
        await self._assign_strays(session, project)

    async def _act(self, session: AsyncSession, deployment: tables.Deployment) -> None:
        progress = await queries.progress(session, deployment, self._online_window)
        match rules.next_action(progress, self._limits):
            case rules.Advance():
                await self._open(session, deployment, deployment.stage + 1)
            case rules.Widen(count):
                await queries.bring_forward(session, deployment, count, self._online_window)
                await self._open(session, deployment, deployment.stage)
            case rules.Finish():
                await rollouts.end(session, deployment, states.DeploymentState.SUCCEEDED)
            case rules.RollBack(reason):
                await rollouts.roll_back(session, deployment.project, None, reason)
            case rules.Wait() if progress.unsent:  # the clock of a stage starts when all of it has been published
                await queries.set_stage(session, deployment, deployment.stage)

    async def _open(self, session: AsyncSession, deployment: tables.Deployment, stage: int) -> None:
        log.info("stage_opened", project=deployment.project, model_version=deployment.model_version, stage=stage)
        await queries.follow(session, deployment, stage)
        await queries.set_stage(session, deployment, stage)

    async def _assign_strays(self, session: AsyncSession, project: str) -> None:
        """A device that no stage has reached gets the project's current model."""
        good = await queries.newest_succeeded(session, project)
        if good and (strays := await queries.strays(session, project)):
            await queries.enlist(session, good, dict.fromkeys(strays, good.stage), current=True)
