"""When to train. An event schedules the evaluation of a project's trigger; a person requests a run at any time."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, loops, outbox
from strop_contracts import control, errors, events, states, tables
from trainer import datasets, evidence, learning_curve, project_settings, queries
from trainer.settings import Settings

log = structlog.get_logger()

SHOWN = 10
"""Decisions in a report."""


class Triggers:
    """Evaluates the triggers that are due, and returns runs with an expired lease to the queue.

    Each project has a transaction of its own. A row lock gives an evaluation to one of several trainers.
    """

    def __init__(self, runtime: app.Runtime, settings: Settings) -> None:
        self._make = runtime.sessions
        self._settings = settings
        self._started = False

    async def tick(self) -> None:
        """Evaluate all triggers at the first call, because settings may have changed; later those that are due."""
        if not self._started:
            async with self._make.begin() as session:
                await queries.schedule(session, await queries.projects(session))
            self._started = True
        async with self._make() as session:
            lapsed, due = await queries.lapsed(session), await queries.due(session)
        for run in lapsed:
            with loops.isolated(project=run.project, run=str(run.id)):
                await self._hand_back(run)
        for project in due:
            with loops.isolated(project=project):
                await self._evaluate(project)

    async def _hand_back(self, run: tables.TrainingRun) -> None:
        async with self._make.begin() as session:
            if await queries.hand_back(session, run.id):
                log.warning("training_handed_back", project=run.project, run=str(run.id), attempts=run.attempts)
                await outbox.add(session, events.TrainingRequested(project=run.project, run_id=run.id))

    async def _evaluate(self, project: str) -> None:
        async with self._make.begin() as session:
            if not (check := await queries.take_check(session, project)):
                return
            if not await queries.exists(session, project):
                await queries.postpone(session, check, None)
                return
            _, wanted = await project_settings.newest(session, project, self._settings)
            decision = evidence.decide(await queries.gathered(session, project, wanted.min_labels), wanted)
            await queries.note(session, project, decision)
            if decision.run and (made := await queries.request(session, project, decision.run, decision.judges)):
                await outbox.add(session, events.TrainingRequested(project=project, run_id=made))
            await queries.postpone(session, check, decision.recheck)


async def require(session: AsyncSession, project: str) -> None:
    """Raise NotFound if there is no such project."""
    if not await queries.exists(session, project):
        raise errors.NotFound(f"there is no project {project}: create it first")


async def report(session: AsyncSession, project: str, settings: Settings) -> control.Triggers:
    """Return what asks for the next run of a project, and what is against it."""
    _, wanted = await project_settings.newest(session, project, settings)
    found = await queries.gathered(session, project, wanted.min_labels)
    decision = evidence.decide(found, wanted)
    decisions = await queries.decisions(session, project, SHOWN)
    return control.Triggers(
        progress=[control.TriggerProgress(**asdict(each)) for each in evidence.progress(found, wanted)],
        against=[] if decision.run else list(decision.reasons),
        gain=str(learning_curve.expected(await queries.comparisons(session, project), wanted.min_labels)),
        decisions=[control.TriggerDecision(at=each.at, run=each.train, reasons=each.reasons) for each in decisions],
    )


async def by_hand(session: AsyncSession, project: str) -> UUID:
    """Ask for a training run now.

    NotFound without such a project; Refused while another run is unfinished, or when there is too little to learn from.
    """
    await require(session, project)
    items = await datasets.gather(session, project, datetime.now(UTC))
    if (found := len({item.label for item in items if item.part == "train"})) < 2:
        raise errors.Refused(
            f"training needs images of at least 2 labels and {project} has {found or 'none'}: import a base set"
            f" (`strop datasets import {project} FOLDER`), or label images of its devices."
            f" Data sets of the Rekognition API are learned from by `aws rekognition create-project-version`"
        )
    run = await queries.request(session, project, states.RunTrigger.MANUAL)
    if run is None:
        raise errors.Refused(f"a training run of {project} is under way: wait for it")
    await outbox.add(session, events.TrainingRequested(project=project, run_id=run))
    return run
