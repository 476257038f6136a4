"""Measures live accuracy: sums up counts, estimates, tests for degradation, plans audits, and keeps a report of each project."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from router import policies
from router.quality import degradation, drift, measure, planning, queries
from strop import clearing, db, loops, outbox
from strop_contracts import control_quality, events, tables

log = structlog.get_logger()

EVERY = 15.0
"""Seconds between two rounds, at least."""
SHARE = 20
"""A pause is at least this many times as long as the round before it, so that a large fleet costs a small share."""


class Quality:
    """Measures all projects, each in a transaction of its own. Of several copies one works on a project at a time."""

    def __init__(self, make: db.Sessions) -> None:
        self._make = make

    async def run(self, stop: asyncio.Event) -> None:
        """Run rounds until `stop` is set."""
        while not stop.is_set():
            began = time.monotonic()
            with loops.isolated(tick="quality"):
                await self.tick()
            await loops.pause(max(EVERY, SHARE * (time.monotonic() - began)), stop)

    async def tick(self) -> None:
        """Measure each project once, and delete what is too old."""
        async with self._make() as session:
            projects = await queries.projects(session)
        for project in projects:
            with loops.isolated(project=project):
                await self._project(project)
        async with db.tick(self._make, "router: prune quality") as session:
            if session is not None:
                await queries.prune(session)

    async def _project(self, project: str) -> None:
        async with db.tick(self._make, f"router: quality {project}") as session:
            if session is None:
                return
            await clearing.lock(session, project, shared=True)
            if await queries.exists(session, project):
                await _measure(session, project)


async def _measure(session: AsyncSession, project: str) -> None:
    await queries.fold(session, project)
    _, policy = await policies.newest(session, project)
    window, now = timedelta(hours=policy.quality_hours), datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    seen = await queries.seen(session, project, hour - window)
    found = await asyncio.to_thread(measure.estimates, seen)  # seconds for a thousand labels
    await queries.store(session, project, hour, window, found)
    covered = await queries.covered(session, project, hour - window)
    plan, second = await planning.apply(session, project, seen, covered)
    audits = [audit for part in seen for audit in part.audits]
    report = control_quality.Quality(
        at=now,
        window_hours=policy.quality_hours,
        audits=sum(each.count for each in audits),
        labelled=sum(each.count for each in audits if each.truth is not None),
        estimates=found,
        plan=plan,
        drift=await _drift(session, project, seen),
        worse=await _worse(session, project, found),
    )
    await queries.report(session, project, report, second)


async def _drift(session: AsyncSession, project: str, seen: Sequence[measure.Seen]) -> list[control_quality.Change]:
    """Compare the newest hours of each model with its first ones."""
    found: list[control_quality.Change] = []
    for model in sorted({part.model for part in seen}):
        hours = await queries.hours(session, project, model)
        reference, window = _split(hours)
        look = _look(hours)
        changes = drift.compare(reference, window, look) if look > 0 else []
        found += [control_quality.Change(model=model, **asdict(each)) for each in changes]
    return found


Hours = Sequence[tuple[datetime, drift.Hour]]


def _split(hours: Hours) -> tuple[list[drift.Hour], list[drift.Hour]]:
    """Return the first hours and the newest ones; no hour is in both."""
    reference, rest = hours[: drift.REFERENCE], hours[drift.REFERENCE :]
    return [hour for _, hour in reference], [hour for _, hour in rest[-drift.WINDOW :]]


def _look(hours: Hours) -> int:
    """Return the number of the look: the hours since the end of the reference, whether there were images or not."""
    if len(hours) <= drift.REFERENCE:
        return 0
    return round((hours[-1][0] - hours[drift.REFERENCE - 1][0]).total_seconds() / 3600)


async def _worse(
    session: AsyncSession, project: str, found: Sequence[control_quality.Estimate]
) -> list[control_quality.Worse]:
    """Test each model that is in use and was evaluated on field images; return those that are degraded."""
    expected, labelled = await queries.expected(session, project), await queries.labelled(session, project)
    worse = []
    for each in found:
        if each.measure == "accuracy" and not each.device_group and each.model in expected:
            state = await queries.state(session, project, each.model)
            await _test(session, state, each, expected[each.model], labelled.get(each.model, 0))
            if state.degraded_at:
                value = expected[each.model][0]
                worse.append(
                    control_quality.Worse(model=each.model, since=state.degraded_at, value=each.value, expected=value)
                )
    return worse


async def _test(
    session: AsyncSession,
    state: tables.QualityModel,
    found: control_quality.Estimate,
    expected: tuple[float, float],
    labelled: int,
) -> None:
    """Look at a model when enough audits were labelled since the last look. The event is published once, until it recovers."""
    if state.degraded_at:
        if found.high >= expected[0]:
            log.info("quality_recovered", project=state.project, model=state.model)
            state.degraded_at = None
        return
    if not degradation.due(labelled, state.looks):
        return
    state.looks = labelled // degradation.EVERY
    if degradation.significant(found.value, found.high, *expected, state.looks):
        state.degraded_at = datetime.now(UTC)
        log.warning("quality_degraded", project=state.project, model=state.model, value=found.value)
        interval = {"value": found.value, "low": found.low, "high": found.high, "expected": expected[0]}
        await outbox.add(session, events.QualityDegraded(project=state.project, model=state.model, **interval))
