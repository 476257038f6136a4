"""Applies the audit solver to a project: its plan, the policy's `audit_rate`, and which audits are sent to labelers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from router import policies, rules
from router.quality import measure, queries, sample, solver
from strop_contracts import control_quality

log = structlog.get_logger()

Second = Mapping[str, Sequence[float]]

CHANGES = 1.25
"""Factor by which `audit_rate` must differ from the plan before the policy changes: each change is sent to all devices."""
HOLD = timedelta(hours=6)
"""How long an `audit_rate` stays that was set for the same wish."""
LEAST_IMAGES = 1000
"""Images in the window from which a plan is made."""
LEAST_ARRIVES = 0.3
"""The smallest share of audits with a label that a plan assumes: just after a start most have none yet."""


async def apply(
    session: AsyncSession, project: str, seen: Sequence[measure.Seen], covered: float
) -> tuple[control_quality.Plan | None, Second]:
    """Return the plan and the shares of audits that are sent to labelers; none without a wish. May change the policy.

    `covered`: hours in which the images were counted; a whole window is expected to have as many an hour.
    """
    _, policy = await policies.newest(session, project)
    whole = measure.union(seen)
    images = sum(map(sum, whole.bins.values()))
    if not policy.quality_points or images < LEAST_IMAGES:
        return None, {}
    factor = max(1.0, policy.quality_hours / covered)
    cells = {
        label: [replace(cell, images=cell.images * factor) for cell in row]
        for label, row in measure.cells(whole).items()
    }
    plan = await asyncio.to_thread(solver.solve, cells, wish(policy), arrives(whole))
    differs = not 1 / CHANGES <= plan.audit_rate / max(policy.audit_rate, 1e-6) <= CHANGES
    if differs and not await queries.is_planned(session, project, policy.quality_points / 100, HOLD):
        await policies.set_policy(session, project, {"audit_rate": plan.audit_rate})
        log.info("audit_rate_changed", project=project, before=policy.audit_rate, now=plan.audit_rate)
    return _document(policy, plan), plan.second


def wish(policy: rules.Policy) -> solver.Wish:
    return solver.Wish(
        policy.quality_points / 100,
        policy.quality_label_points / 100,
        policy.quality_hours,
        policy.quality_level,
        policy.quality_labels,
    )


def arrives(whole: measure.Seen) -> float:
    """Return the share of the audits that are stored and, once they are sent to labelers, have a label."""
    audits, stored, sent, labelled = (
        sum(each.count for each in whole.audits if counts(each)) for counts in (_any, _stored, _sent, _labelled)
    )
    return max(LEAST_ARRIVES, stored / audits * labelled / sent) if sent else 1.0


def _any(_audit: sample.Audit) -> bool:
    return True


def _stored(audit: sample.Audit) -> bool:
    return audit.second is not None


def _sent(audit: sample.Audit) -> bool:
    return bool(audit.second)


def _labelled(audit: sample.Audit) -> bool:
    return bool(audit.second) and audit.truth is not None


def _document(policy: rules.Policy, plan: solver.Plan) -> control_quality.Plan:
    return control_quality.Plan(
        wished=policy.quality_points / 100,
        half=plan.half,
        met=plan.met,
        reason=plan.reason,
        audit_rate=plan.audit_rate,
        labels=plan.labels,
        label_half=plan.label_half,
    )
