"""Which orders are due, and the leases under which they are published. Nothing here commits."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    Uuid,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from deployer import queries
from deployer.targets import base
from strop_contracts import states, tables

D = tables.Deployment
DD = tables.DeploymentDevice


async def forget_sent(session: AsyncSession) -> None:
    """Make every order due again: the target may have lost what was published."""
    withdrawn = exists().where(D.id == DD.deployment_id, D.state == states.DeploymentState.ROLLED_BACK)
    await session.execute(update(DD).where(DD.current, DD.sent_at.is_not(None), ~withdrawn).values(sent_at=None))


def _due(resend_after: float, closed: Collection[str] = ()) -> Select[Any]:
    """Build the select of devices with a due order, and all that the order contains.

    The first order of a rollout waits for devices of groups that are `closed`; the way back does not.

    Due is what was never published or forgotten, what was published with an older policy, and, if the device has been seen
    since, what it left unanswered or no longer runs; but no device with an order on the way.
    """
    newest = (
        select(tables.Policy.project, tables.Policy.version, tables.Policy.body)
        .ext(distinct_on(tables.Policy.project))
        .order_by(tables.Policy.project, tables.Policy.version.desc())
        .subquery()
    )
    version = func.coalesce(newest.c.version, 0)
    runs_another = tables.Device.model.is_distinct_from(func.concat("v", D.model_version))
    neglected = and_(
        DD.sent_at < tables.Device.seen_at,
        DD.sent_at < func.clock_timestamp() - queries.seconds(resend_after),
        or_(DD.state == states.InstallState.SENT, and_(DD.state == states.InstallState.INSTALLED, runs_another)),
    )
    stale = and_(D.state != states.DeploymentState.ROLLED_BACK, or_(DD.policy.is_distinct_from(version), neglected))
    other = aliased(DD)  # of this deployment or of the one before: an older order must not arrive after a newer one
    leased = exists().where(
        other.project == DD.project, other.device == DD.device, other.leased_until > func.clock_timestamp()
    )
    waits_for_window = and_(
        D.kind == states.DeploymentKind.ROLLOUT,
        D.state != states.DeploymentState.ROLLED_BACK,
        DD.state == states.InstallState.WAITING,
        tables.Device.device_group.in_(closed),
    )
    return (
        select(
            DD.project,
            DD.device,
            DD.deployment_id,
            D.state,
            D.model_version,
            tables.ModelVersion.files,
            version.label("policy"),
            newest.c.body.label("policy_body"),
        )
        .join(D, D.id == DD.deployment_id)
        .join(tables.Device, queries.is_device())
        .join(
            tables.ModelVersion,
            and_(tables.ModelVersion.project == D.project, tables.ModelVersion.version == D.model_version),
        )
        .outerjoin(newest, newest.c.project == DD.project)
        .where(DD.current, or_(DD.sent_at.is_(None), stale), ~leased, ~waits_for_window)
    )


async def projects(session: AsyncSession, limit: int, resend_after: float) -> Sequence[str]:
    """Projects with due orders, in random order, so that none starves while another uses up the batch."""
    due = _due(resend_after).with_only_columns(DD.project).distinct().subquery()
    return (await session.scalars(select(due.c.project).order_by(func.random()).limit(limit))).all()


async def lease(
    session: AsyncSession,
    project: str,
    limit: int,
    resend_after: float,
    duration: timedelta,
    closed: Collection[str] = (),
) -> tuple[Sequence[Row[Any]], datetime]:
    """Lease the devices with due orders, but none that waits for the window of a `closed` group; returns the orders' contents, and until when they are leased.

    That time is the lease's token: the orders are confirmed only while their rows have it.
    """
    wrong = tables.Device.model.is_distinct_from(func.concat("v", D.model_version))  # first: they need the order
    due = (
        _due(resend_after, closed)
        .where(DD.project == project)
        .order_by(wrong.desc(), DD.sent_at.nulls_first())
        .limit(limit)
    )
    rows = (await session.execute(due.with_for_update(of=DD))).all()
    until = (await session.execute(select(func.clock_timestamp() + duration))).scalar_one()
    keys = [(row.deployment_id, row.device) for row in rows]
    await session.execute(update(DD).where(_of(keys), DD.current).values(leased_until=until))
    return rows, until


async def confirm(
    session: AsyncSession, keys: Sequence[tuple[UUID, str]], until: datetime, policy: int, *, withdrawn: bool
) -> None:
    """Note the orders that the target has accepted; an answer that arrived before stays.

    Skipped is an order that was withdrawn while it was on the way: its withdrawal is still due.
    """
    rolled_back = D.state == states.DeploymentState.ROLLED_BACK
    await session.execute(
        update(DD)
        .where(_of(keys), DD.leased_until == until)
        .where(D.id == DD.deployment_id, rolled_back if withdrawn else ~rolled_back)
        .values(
            sent_at=func.clock_timestamp(),
            policy=policy,
            state=case((DD.state == states.InstallState.WAITING, states.InstallState.SENT), else_=DD.state),
        )
    )


async def release(session: AsyncSession, keys: Sequence[tuple[UUID, str]], until: datetime) -> None:
    """End the leases that have this token."""
    await session.execute(update(DD).where(_of(keys), DD.leased_until == until).values(leased_until=None))


async def awaited(session: AsyncSession, limit: int) -> list[base.Assignment]:
    """Devices whose order was published and has no outcome yet: a random sample, so that each has its turn."""
    sent = select(DD.project, DD.device, DD.deployment_id).where(DD.current, DD.state == states.InstallState.SENT)
    rows = await session.execute(sent.order_by(func.random()).limit(limit))
    return [base.Assignment(*row) for row in rows]


def _of(keys: Sequence[tuple[UUID, str]]) -> ColumnElement[bool]:
    """Match rows of these deployments and devices. Arrays, because PostgreSQL compares a list of pairs one by one.

    Rows that combine the deployment of one key and the device of another match too: the caller excludes them by the lease's
    token, or because a device follows one deployment.
    """
    deployments, devices = {deployment for deployment, _ in keys}, [device for _, device in keys]
    return and_(
        DD.deployment_id == any_(literal(list(deployments), ARRAY(Uuid))),
        DD.device == any_(literal(devices, ARRAY(String))),
    )
