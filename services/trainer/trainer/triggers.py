"""When to train. An event schedules the evaluation of a project's trigger; a person requests a run at any time."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, loops, outbox
from strop_contracts import control, errors, events, states, tables
from trainer import backends, datasets, evidence, learning_curve, project_settings, queries
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
        self._every = runtime.settings.reconcile_after
        self._scheduled: float | None = None  # when all were

    async def tick(self) -> None:
        """Evaluate the triggers that are due; all of them at the first call, because settings may have changed, and at
        intervals, because an event may have been lost.
        """
        if self._scheduled is None or time.monotonic() - self._scheduled > self._every:
            async with self._make.begin() as session:
                await queries.schedule(session, await queries.projects(session))
            self._scheduled = time.monotonic()
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


async def by_hand(session: AsyncSession, project: str, choice: control.TrainingChoice | None = None) -> UUID:
    """Request a training run now; `choice` is how, if not as the project has it set. The caller commits.

    NotFound without such a project; Refused while another run is unfinished, when there is too little to learn from, or when
    there is no such backend.
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
    if choice and (choice.backend or choice.options):
        await _choose(session, project, run, choice)
    await outbox.add(session, events.TrainingRequested(project=project, run_id=run))
    return run


async def _choose(session: AsyncSession, project: str, run: UUID, choice: control.TrainingChoice) -> None:
    """Fix the backend and the options of a run, and of the project's later ones if that is wanted."""
    saved = await queries.training_settings(session, project)
    backend = choice.backend or (saved.backend if saved else None)
    if backend is None:
        raise errors.Refused("options need a backend: name it, because the project has none of its own")
    try:
        backends.check(backend)
    except ValueError as error:
        raise errors.Refused(str(error)) from error
    options = {**(saved.options if saved and saved.backend == backend else {}), **choice.options}
    await queries.choose(session, run, backend, options)
    if choice.save:
        await queries.save_training_settings(session, project, backend, options)
