"""When to train: looked at now and then, under a lock, and asked for by hand. Runs that a crash left behind go on, too."""

from datetime import UTC, datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, db, outbox
from strop_contracts import errors, events, states
from trainer import datasets, queries, rules
from trainer.settings import Settings

log = structlog.get_logger()


class Triggers:
    """Looks at every project now and then: are there enough new labels? And at every run: is its trainer alive?"""

    def __init__(self, runtime: app.Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._trigger = rules.Trigger(settings.min_labels, settings.debounce, settings.max_wait, settings.cooldown)

    async def tick(self) -> None:
        async with db.tick(self._runtime.sessions, "trainer-triggers") as session:
            if session is None:
                return
            for run in await queries.abandoned(session):
                log.warning("training is taken up again", project=run.project, run=str(run.id), attempts=run.attempts)
                await outbox.add(session, events.TrainingRequested(project=run.project, run_id=run.id))
            for project in await queries.projects(session):
                labels = await queries.labels(session, project, self._trigger.min_labels)
                decision = rules.decide(labels, self._trigger)
                await queries.note(session, project, decision)
                if decision.train and (made := await queries.request(session, project, states.RunTrigger.LABELS)):
                    await outbox.add(session, events.TrainingRequested(project=project, run_id=made))


async def by_hand(session: AsyncSession, project: str) -> UUID:
    """Ask for a training run now.

    NotFound without such a project; Refused while another run is unfinished, or when there is too little to learn from.
    """
    if project not in await queries.projects(session):
        raise errors.NotFound(f"there is no project {project}: create it first")
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
