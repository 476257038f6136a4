"""What the deployer does by the clock: move deployments on, and tell devices what to run.

Both run under a lock in Postgres, so two copies of the service never act at once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import metrics, queries, rollouts, rules
from deployer.settings import Settings
from strop import crash, db
from strop_contracts import states, tables
from strop_wire import fields, messages

log = structlog.get_logger()


class Target(Protocol):
    """How devices are told what to run."""

    @property
    def epoch(self) -> int | None:
        """Another number than before: what was sent may be forgotten. None: not reachable now."""

    async def send(self, project: str, device: str, desired: messages.Desired | None) -> None:
        """Tell one device; None takes back what it was told. OSError when that fails."""


@dataclass(frozen=True, slots=True)
class Order:
    """One `desired` to be sent, and the row it stands for."""

    project: str
    device: str
    deployment_id: UUID
    policy: int
    desired: messages.Desired | None


class Ticks:
    def __init__(self, make: db.Sessions, target: Target, settings: Settings) -> None:
        self._make = make
        self._target = target
        self._settings = settings
        grace = min(settings.online_window, rules.GRACE)
        self._limits = rules.Limits(settings.stage_timeout, settings.failure_share, settings.minimum_share, grace)
        self._epoch = 0

    # --- deployments ---

    async def settle(self) -> None:
        """Take in late devices and do what is next in every deployment that runs."""
        async with db.tick(self._make, "deployer.settle") as session:
            if session is None:
                return
            for project in await queries.unsettled(session):
                await queries.lock(session, project)
                if deployment := await queries.running(session, project):
                    await rollouts.join(session, deployment, self._settings.online_window)
                    await self._act(session, deployment)
                await self._lead_strays(session, project)

    async def _act(self, session: AsyncSession, deployment: tables.Deployment) -> None:
        progress = await queries.progress(session, deployment, self._settings.online_window)
        match rules.next_action(progress, self._limits):
            case rules.Advance():
                await self._open(session, deployment, deployment.stage + 1)
            case rules.Widen(count):
                await queries.bring_forward(session, deployment, count, self._settings.online_window)
                await self._open(session, deployment, deployment.stage)
            case rules.Finish():
                await rollouts.end(session, deployment, states.DeploymentState.SUCCEEDED)
            case rules.RollBack(reason):
                await rollouts.roll_back(session, deployment.project, None, reason)
            case rules.Wait() if progress.unsent:  # the clock of a stage runs when all of it has been told
                await queries.set_stage(session, deployment, deployment.stage)

    async def _open(self, session: AsyncSession, deployment: tables.Deployment, stage: int) -> None:
        log.info("stage opens", project=deployment.project, model_version=deployment.model_version, stage=stage)
        await queries.follow(session, deployment, stage)
        await queries.set_stage(session, deployment, stage)

    async def _lead_strays(self, session: AsyncSession, project: str) -> None:
        """A device that no stage has reached gets the project's current model."""
        good = await queries.newest_succeeded(session, project)
        if good and (strays := await queries.strays(session, project)):
            await queries.enlist(session, good, dict.fromkeys(strays, good.stage), current=True)

    # --- devices ---

    async def send(self) -> None:
        """Tell the devices that are due. A crash between the sending and the commit sends again, which changes nothing."""
        if (epoch := self._target.epoch) is None:
            return
        async with db.tick(self._make, "deployer.send") as session:
            if session is None:
                return
            if epoch != self._epoch:
                await queries.forget_sent(session)
            due = await queries.due(session, self._settings.batch, self._settings.resend_after)
            orders = [_order(row) for row in due]
            taken = await asyncio.gather(*(self._tell(order) for order in orders))
            await _note(session, [order for order, ok in zip(orders, taken, strict=True) if ok])
        self._epoch = epoch

    async def _tell(self, order: Order) -> bool:
        try:
            await self._target.send(order.project, order.device, order.desired)
        except OSError as error:  # TimeoutError is one too
            log.warning("cannot tell the device, trying again", device=order.device, error=str(error))
            return False
        crash.point("deployer:told")
        metrics.DESIRED_SENT.labels(order.project).inc()
        return True


async def _note(session: AsyncSession, orders: Sequence[Order]) -> None:
    for policy in {order.policy for order in orders}:
        keys = [(order.deployment_id, order.device) for order in orders if order.policy == policy]
        await queries.mark_sent(session, keys, policy)


def _order(row: Row[Any]) -> Order:
    desired = None if row.state == states.DeploymentState.ROLLED_BACK else _desired(row)
    return Order(row.project, row.device, row.deployment_id, row.policy, desired)


def _desired(row: Row[Any]) -> messages.Desired:
    return messages.Desired(
        deployment=str(row.deployment_id),
        model=rules.model_name(row.model_version),
        files={name: messages.ModelFile(row.files[name].sha256, row.files[name].size) for name in messages.MODEL_FILES},
        policy=_policy(row),
    )


def _policy(row: Row[Any]) -> messages.Policy:
    """The device's part of the newest policy; the default when it cannot be read, so that it never stops a rollback."""
    try:
        return messages.Policy.read(asdict(messages.Policy()) | (row.policy_body or {}) | {"version": row.policy})
    except fields.Malformed:
        log.exception("the policy cannot be read, sending the default", project=row.project, policy=row.policy)
        return messages.Policy()
