"""What the trainer reads and writes in Postgres."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, false, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db
from strop_contracts import documents, states, tables
from strop_wire import ids
from trainer import degradation, evidence, learning_curve

_LABELS = text(
    """
    with last as (
      select max(started_at) filter (where judges is null) as started,
             max(finished_at) filter (where judges is null) as finished,
             coalesce(bool_or(state in ('requested', 'running')), false) as running
      from training_runs where project = :project and manifest is null
    ), fresh as (
      select truth.at, row_number() over (order by truth.at) as n
      from last, ground_truth truth join captures on captures.id = truth.capture_id
      left join label_tasks on label_tasks.capture_id = captures.id
      where truth.project = :project and truth.label is not null and truth.at > coalesce(last.started, '-infinity')
        and (not captures.audit or label_tasks.extra)
    )
    select (select count(*) from fresh) as new,
           extract(epoch from now() - (select at from fresh where n = :enough)) as first_age,
           extract(epoch from now() - (select max(at) from fresh)) as last_age,
           last.running as running,
           extract(epoch from now() - last.finished) as since_last
    from last
    """
)


_COMPARISONS = text(
    """
    select (own.counts->>'base/train')::int + coalesce((own.counts->>'field/train')::int, 0) as images,
           (other.counts->>'base/train')::int + coalesce((other.counts->>'field/train')::int, 0) as champion_images,
           (evaluations.metrics->>'images')::int as golden,
           (evaluations.metrics->>'right')::int as right, evaluations.champion_right as champion_right
    from model_versions model
    join model_versions champion on champion.project = model.project and champion.version = model.champion
    join dataset_versions own on own.project = model.project and own.version = model.dataset_version
    join dataset_versions other on other.project = model.project and other.version = champion.dataset_version
    join evaluations on evaluations.project = model.project and evaluations.model_version = model.version
    where model.project = :project and evaluations.part = 'field' and evaluations.champion_right is not null
      and own.counts ? 'base/train' and other.counts ? 'base/train'
    order by model.version
    """
)

_NEW_LABEL = text(
    """
    with newest as (
      select labels from model_versions where project = :project and state <> 'hosted' order by version desc limit 1
    )
    select truth.label as label, count(distinct truth.sha256) as images
    from newest, ground_truth truth join captures on captures.id = truth.capture_id
    left join label_tasks on label_tasks.capture_id = captures.id
    where truth.project = :project and truth.label is not null and (not captures.audit or label_tasks.extra)
      and not jsonb_exists(newest.labels, truth.label)
    group by truth.label order by images desc, truth.label limit 1
    """
)


async def projects(session: AsyncSession) -> Sequence[str]:
    """Return the names of all projects, without those that are being deleted."""
    return (await session.scalars(select(tables.Project.name).where(tables.Project.deletion_id.is_(None)))).all()


async def exists(session: AsyncSession, project: str) -> bool:
    """Whether there is this project, and it is not being deleted."""
    known = select(tables.Project.name).where(tables.Project.name == project, tables.Project.deletion_id.is_(None))
    return await session.scalar(known) is not None


async def schedule(session: AsyncSession, projects: Collection[str]) -> None:
    """Evaluate the triggers of these projects at the next tick. It waits for an evaluation that is under way."""
    if not projects:
        return
    table = tables.TriggerCheck
    # In one order of rows, so that two transactions never wait for each other in a circle.
    new = insert(table).values([{"project": project, "due_at": func.now()} for project in sorted(projects)])
    due_at = func.least(table.due_at, new.excluded.due_at)
    await session.execute(new.on_conflict_do_update(index_elements=[table.project], set_={"due_at": due_at}))


async def due(session: AsyncSession) -> Sequence[str]:
    """Return the projects whose triggers are to be evaluated now, the longest due first."""
    table = tables.TriggerCheck
    return (await session.scalars(select(table.project).where(table.due_at <= func.now()).order_by(table.due_at))).all()


async def take_check(session: AsyncSession, project: str) -> tables.TriggerCheck | None:
    """Lock the check of a project until the transaction ends; None if it is no longer due, or another trainer has it."""
    table = tables.TriggerCheck
    due = select(table).where(table.project == project, table.due_at <= func.now())
    found: tables.TriggerCheck | None = await session.scalar(due.with_for_update(skip_locked=True))
    return found


async def postpone(session: AsyncSession, check: tables.TriggerCheck, seconds: float | None) -> None:
    """Set the next evaluation; None: the next event sets it."""
    table = tables.TriggerCheck
    mine = table.project == check.project
    if seconds is None:
        await session.execute(delete(table).where(mine))
    else:
        await session.execute(update(table).where(mine).values(due_at=func.now() + timedelta(seconds=seconds)))


async def gathered(session: AsyncSession, project: str, enough: int) -> evidence.Evidence:
    """Return what has happened since the last training; `enough` is the number of the label whose age is asked for."""
    row = (await session.execute(_LABELS, {"project": project, "enough": enough})).one()
    ages = (float(age) if age is not None else None for age in (row.first_age, row.last_age, row.since_last))
    first_age, last_age, since_last = ages
    missing = (await session.execute(_NEW_LABEL, {"project": project})).first()
    new_label = (missing.label, missing.images) if missing else None
    model = await undecided(session, project)
    audits, audit_age = await _audits(session, model) if model else (0, None)
    version = model.version if model else None
    worse = await degradation.of_champion(session, project, await champion(session, project))
    return evidence.Evidence(
        row.new, first_age, last_age, row.running, since_last, new_label, version, audits, audit_age, worse
    )


async def undecided(session: AsyncSession, project: str) -> tables.ModelVersion | None:
    """Return the newest undecided model that is newer than the champion."""
    table, best = tables.ModelVersion, await champion(session, project)
    waiting = select(table).where(
        table.project == project,
        table.state == states.ModelState.UNDECIDED,
        table.version > (best.version if best else 0),
    )
    found: tables.ModelVersion | None = await session.scalar(waiting.order_by(table.version.desc()).limit(1))
    return found


async def _audits(session: AsyncSession, model: tables.ModelVersion) -> tuple[int, float | None]:
    """Count the audits that were labelled after a model's last judgement; with the age of the newest in seconds."""
    truth, capture, task = tables.GroundTruth, tables.Capture, tables.LabelTask
    age = func.extract("epoch", func.now() - func.max(truth.at))
    found = (
        select(func.count(), age)
        .join(capture, capture.id == truth.capture_id)
        .outerjoin(task, task.capture_id == capture.id)
        .where(truth.project == model.project, truth.label.is_not(None), truth.at > model.judged_at, _golden())
    )
    count, seconds = (await session.execute(found)).one()
    return count, float(seconds) if seconds is not None else None


async def judged(session: AsyncSession, run: tables.TrainingRun) -> None:
    """Note that a run has tried to judge its model: audits from before it began no longer ask for another one."""
    table = tables.ModelVersion
    mine = update(table).where(table.project == run.project, table.version == run.judges)
    await session.execute(mine.values(judged_at=run.started_at))


async def note(session: AsyncSession, project: str, decision: evidence.Decision) -> None:
    """Keep the decision, unless it is the same as the last one."""
    table = tables.TriggerDecision
    newest = select(table.train, table.reasons).where(table.project == project).order_by(table.at.desc()).limit(1)
    row = (await session.execute(newest)).first()
    reasons = list(decision.reasons)
    runs = decision.run is not None
    if row is None or runs or (row.train, row.reasons) != (False, reasons):
        session.add(table(project=project, train=runs, reasons=reasons))


async def decisions(session: AsyncSession, project: str, limit: int) -> Sequence[tables.TriggerDecision]:
    """Return the newest decisions of a project's trigger, newest first."""
    table = tables.TriggerDecision
    newest = select(table).where(table.project == project).order_by(table.at.desc(), table.id.desc())
    return (await session.scalars(newest.limit(limit))).all()


async def comparisons(session: AsyncSession, project: str) -> list[learning_curve.Comparison]:
    """Return how the models of fleets did beside their champions on the same golden images, the oldest first."""
    rows = (await session.execute(_COMPARISONS, {"project": project})).mappings()
    return [learning_curve.Comparison(**row) for row in rows]


async def request(
    session: AsyncSession, project: str, trigger: states.RunTrigger, judges: int | None = None
) -> UUID | None:
    """Make a run that trains, or judges a model; None when one is unfinished already (the unique index decides)."""
    wanted = insert(tables.TrainingRun).values(id=ids.uuid7(), project=project, trigger=trigger, judges=judges)
    return await session.scalar(wanted.on_conflict_do_nothing().returning(tables.TrainingRun.id))


async def order(session: AsyncSession, run_id: UUID, project: str, manifest: str, backbone: str) -> None:
    """Make a run for exactly the images of a manifest; a repeat changes nothing."""
    values = {"project": project, "trigger": states.RunTrigger.ORDER, "manifest": manifest, "backbone": backbone}
    await session.execute(insert(tables.TrainingRun).values(id=run_id, **values).on_conflict_do_nothing())


async def choose(session: AsyncSession, run_id: UUID, backend: str, options: dict[str, Any]) -> None:
    """Fix how a run trains."""
    table = tables.TrainingRun
    await session.execute(update(table).where(table.id == run_id).values(backend=backend, options=options))


async def training_settings(session: AsyncSession, project: str) -> tables.TrainingSettings | None:
    """Return how the models of a project are trained; None if nothing is set."""
    return await session.get(tables.TrainingSettings, project)


async def save_training_settings(session: AsyncSession, project: str, backend: str, options: dict[str, Any]) -> None:
    """Set how the models of a project are trained."""
    table, values = tables.TrainingSettings, {"backend": backend, "options": options}
    new = insert(table).values(project=project, **values)
    await session.execute(new.on_conflict_do_update(index_elements=[table.project], set_=values))


async def lease(session: AsyncSession, run_id: UUID, token: UUID, seconds: float) -> tables.TrainingRun | None:
    """Take a run; None if it is finished, or another trainer's lease is valid."""
    table = tables.TrainingRun
    free = (table.state == states.RunState.REQUESTED) | (
        (table.state == states.RunState.RUNNING) & (table.leased_until < func.now())
    )
    taken = (
        update(table)
        .where(table.id == run_id, free)
        .values(
            state=states.RunState.RUNNING,
            lease=token,
            leased_until=func.now() + timedelta(seconds=seconds),
            attempts=table.attempts + 1,
            started_at=func.coalesce(table.started_at, func.now()),
        )
        .returning(table)
    )
    return await session.scalar(taken)


async def renew(session: AsyncSession, run_id: UUID, token: UUID, seconds: float, progress: documents.Progress) -> bool:
    """Prolong the lease and store the progress; False if another trainer has taken the run."""
    values = {"leased_until": func.now() + timedelta(seconds=seconds), "progress": progress}
    return await _mine(session, run_id, token, values)


async def finish(session: AsyncSession, run_id: UUID, token: UUID, **values: Any) -> bool:
    """End the run; False when it is not ours any more, and then nothing of ours may be written."""
    return await _mine(
        session, run_id, token, {**values, "finished_at": func.now(), "lease": None, "leased_until": None}
    )


async def _mine(session: AsyncSession, run_id: UUID, token: UUID, values: dict[str, Any]) -> bool:
    table = tables.TrainingRun
    changed = (
        update(table)
        .where(table.id == run_id, table.lease == token, table.state == states.RunState.RUNNING)
        .values(**values)
    )
    return (await session.scalar(changed.returning(table.id))) is not None


async def base(session: AsyncSession, project: str) -> Sequence[tables.DatasetItem]:
    """The usable base images, the newest place last."""
    table = tables.DatasetItem
    found = select(table).where(table.project == project, table.sha256.is_not(None))
    return (await session.scalars(found.order_by(table.placed_at, table.sequencer, table.key))).all()


async def field(session: AsyncSession, project: str, until: datetime) -> Sequence[Any]:
    """Labelled captures as (capture_id, sha256, label, device, day, phash, audit), in the order they were labelled.

    An extra audit (`label_tasks.extra`) is none here: its stratum got more labels than others, so it would bend the golden set.
    """
    truth, capture, task = tables.GroundTruth, tables.Capture, tables.LabelTask
    day = func.date(func.timezone("UTC", capture.at)).label("day")
    found = (
        select(truth.capture_id, truth.sha256, truth.label, truth.device, day, capture.phash, _golden().label("audit"))
        .join(capture, capture.id == truth.capture_id)
        .outerjoin(task, task.capture_id == capture.id)
        .where(truth.project == project, truth.label.is_not(None), truth.at <= until)
        .order_by(truth.at, truth.capture_id)
    )
    return (await session.execute(found)).all()


def _golden() -> ColumnElement[bool]:
    """Whether a labelled capture belongs to the even sample of audits; of a capture joined with its task, if it has one."""
    return and_(tables.Capture.audit, func.coalesce(tables.LabelTask.extra, false()).is_(False))


async def number(session: AsyncSession, project: str) -> None:
    """Give numbers in this project one transaction after the other: an order may be trained beside the fleet's run."""
    await db.lock(session, f"trainer-numbers {project}")


async def reserve_dataset(session: AsyncSession, run: tables.TrainingRun) -> int:
    """Reserve a number for the dataset version of this attempt of a run; no other attempt and no other run gets it."""
    await number(session, run.project)
    table = tables.TrainingRun
    version = 1 + max(
        await _newest(session, run.project, table.dataset_version, table.project),
        await _newest(session, run.project, tables.DatasetVersion.version, tables.DatasetVersion.project),
    )
    await session.execute(update(table).where(table.id == run.id).values(dataset_version=version))
    return version


async def _newest(session: AsyncSession, project: str, number: Any, of: Any) -> int:
    """Return the largest number of a project in a column; 0 without any."""
    return await session.scalar(select(func.max(number)).where(of == project)) or 0


async def ordered_dataset(session: AsyncSession, project: str, manifest: str) -> tables.DatasetVersion | None:
    """The dataset version that an earlier attempt made of an order's manifest."""
    table = tables.DatasetVersion
    found: tables.DatasetVersion | None = await session.scalar(
        select(table).where(table.project == project, table.key == manifest)
    )
    return found


async def reserve_model(session: AsyncSession, run: tables.TrainingRun) -> int:
    """The number of the run's model, the same at each attempt; the number of a run that failed is never used again."""
    await number(session, run.project)
    table = tables.TrainingRun
    if known := await session.scalar(select(table.model_version).where(table.id == run.id)):
        return known
    version = 1 + max(
        await _newest(session, run.project, table.model_version, table.project),
        await _newest(session, run.project, tables.ModelVersion.version, tables.ModelVersion.project),
    )
    await session.execute(update(table).where(table.id == run.id).values(model_version=version))
    return version


async def is_deployed(session: AsyncSession, project: str, version: int) -> bool:
    """Whether a deployment of this model version exists, in whatever state."""
    table = tables.Deployment
    found = select(table.id).where(table.project == project, table.model_version == version).limit(1)
    return await session.scalar(found) is not None


async def champion(session: AsyncSession, project: str) -> tables.ModelVersion | None:
    """The model to beat: of the newest deployment that succeeded, else the newest approved one."""
    deployment, model = tables.Deployment, tables.ModelVersion
    deployed = (
        select(model)
        .join(deployment, (deployment.project == model.project) & (deployment.model_version == model.version))
        .where(model.project == project, deployment.state == states.DeploymentState.SUCCEEDED)
        .order_by(deployment.at.desc())
    )
    approved = (
        select(model)
        .where(model.project == project, model.state == states.ModelState.APPROVED)
        .order_by(model.version.desc())
    )
    return await session.scalar(deployed.limit(1)) or await session.scalar(approved.limit(1))


def _lapsed() -> ColumnElement[bool]:
    """The run's trainer has sent no heartbeat until its lease expired."""
    table = tables.TrainingRun
    return and_(table.state == states.RunState.RUNNING, table.leased_until < func.now())


async def lapsed(session: AsyncSession) -> Sequence[tables.TrainingRun]:
    """Return the runs whose lease has expired."""
    return (await session.scalars(select(tables.TrainingRun).where(_lapsed()))).all()


async def hand_back(session: AsyncSession, run_id: UUID) -> bool:
    """Return a run with an expired lease to the requested ones; False if another trainer has done so, or has taken it."""
    table = tables.TrainingRun
    values = {"state": states.RunState.REQUESTED, "lease": None, "leased_until": None}
    changed = update(table).where(table.id == run_id, _lapsed()).values(**values).returning(table.id)
    return await session.scalar(changed) is not None


async def add_files(session: AsyncSession, project: str, files: documents.Files) -> None:
    """Let devices fetch these files by hash; the backbone is usually there already."""
    rows = [{"project": project, "sha256": f.sha256, "key": f.key, "size": f.size} for f in files.values()]
    await session.execute(insert(tables.ModelFile).values(rows).on_conflict_do_nothing())


async def delete_hosted(session: AsyncSession, project: str, version: int) -> None:
    """Delete a hosted model and its evaluations; nothing if it was approved for a fleet, or is gone."""
    model = await session.get(tables.ModelVersion, (project, version), with_for_update=True)
    if model is None or model.state != states.ModelState.HOSTED:
        return
    table = tables.Evaluation
    await session.execute(delete(table).where(table.project == project, table.model_version == version))
    await session.delete(model)
