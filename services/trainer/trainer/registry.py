"""Registering a model: first its files in S3, then, in one transaction under the run's lease, its rows and events.

Each attempt of a run has keys of its own, so a trainer that lost its lease overwrites no file of a registered model. A crash
between upload and commit leaves files without a row, which are deleted with the project.
"""

from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, outbox, storage
from strop_contracts import documents, errors, events, keys, states, tables
from trainer import jobs, queries
from trainer.lease import Lease

log = structlog.get_logger()


async def register(
    runtime: app.Runtime,
    lease: Lease,
    run: tables.TrainingRun,
    dataset: int,
    version: int,
    champion: int | None,
    package: Path,
    result: jobs.Result,
) -> None:
    """Upload the files, then end the run and add the model with its events; Lost if the run is not ours.

    `champion` is the model that it was compared with.
    """
    project, folder = run.project, keys.attempt(run.project, version, run.attempts)
    files = _files(project, folder, result)
    await lease.hold()
    await _upload(runtime.storage, package, folder, files)
    evaluations = await _evaluations(runtime.storage, project, version, folder, result)
    async with runtime.sessions.begin() as session:
        await lease.end(session, state=states.RunState.SUCCEEDED, dataset_version=dataset)
        model = _model_row(run, dataset, version, result, files)
        model.champion = champion
        session.add_all([model, *evaluations])
        await queries.add_files(session, project, files)
        registered = events.ModelRegistered(id=run.id, project=project, run_id=run.id, model_version=version)
        await outbox.add(session, registered)
        if _state(run, result) == states.ModelState.APPROVED:
            await outbox.add(session, events.ModelApproved(project=project, model_version=version))
    log.info("model registered", project=project, model=version, state=_state(run, result), reasons=result.reasons)


async def judge_again(
    runtime: app.Runtime, lease: Lease, run: tables.TrainingRun, dataset: int, champion: int | None, result: jobs.Judged
) -> None:
    """End a run that judged an undecided model again: its verdict, evaluations and events; Lost if the run is not ours.

    A model that a person has decided on meanwhile stays as it is.
    """
    assert run.judges
    folder = keys.judgement(run.project, run.judges, run.id, run.attempts)
    await lease.hold()
    evaluations = await _evaluations(runtime.storage, run.project, run.judges, folder, result)
    async with runtime.sessions.begin() as session:
        await lease.end(session, state=states.RunState.SUCCEEDED, dataset_version=dataset)
        model = await _model(session, run.project, run.judges)
        if model.state != states.ModelState.UNDECIDED:
            return
        model.judged, model.judged_at, model.champion = model.judged + 1, run.started_at or model.judged_at, champion
        model.state = result.state
        model.reasons = [*result.reasons, f"judgement {model.judged} of this model, after new labelled audits"]
        for each in evaluations:
            await session.merge(each)
        if model.state == states.ModelState.APPROVED:
            await outbox.add(session, events.ModelApproved(project=run.project, model_version=run.judges))
    log.info("model_judged_again", project=run.project, model=run.judges, state=result.state, reasons=result.reasons)


async def approve(session: AsyncSession, project: str, version: int, by: str, reason: str) -> None:
    """Roll a model out that the gate left undecided or refused, or that was ordered; the row names person and reason.

    A model that is approved and not rolled out, because its event was lost, is rolled out. NotFound without such a model;
    Refused when it was rolled out already. The caller commits.
    """
    model = await _model(session, project, version)
    if model.state != states.ModelState.APPROVED:
        _decide(model, states.ModelState.APPROVED, by, reason)
    elif await queries.is_deployed(session, project, version):
        raise errors.Refused(f"v{version} is approved already; `strop rollback {project} v{version}` returns to it")
    await outbox.add(session, events.ModelApproved(project=project, model_version=version))


async def reject(session: AsyncSession, project: str, version: int, by: str, reason: str) -> None:
    """Refuse a model that the gate left undecided; the row names person and reason.

    NotFound without such a model; Refused when it is not undecided. The caller commits.
    """
    model = await _model(session, project, version)
    if model.state != states.ModelState.UNDECIDED:
        raise errors.Refused(f"v{version} is {model.state}: only an undecided model can be rejected")
    _decide(model, states.ModelState.REFUSED, by, reason)


async def _model(session: AsyncSession, project: str, version: int) -> tables.ModelVersion:
    """Return the model with its row locked."""
    model = await session.get(tables.ModelVersion, (project, version), with_for_update=True)
    if model is None:
        raise errors.NotFound(f"{project} has no model version {version}")
    return model


def _decide(model: tables.ModelVersion, state: states.ModelState, by: str, reason: str) -> None:
    model.reasons = [f"{state} by {by}, {model.state} before: {reason}", *model.reasons]
    model.decided_by, model.decided_at, model.decision = by, datetime.now(UTC), reason
    log.info("model_decided", project=model.project, model=model.version, state=state, before=model.state, by=by)
    model.state = state


def _state(run: tables.TrainingRun, result: jobs.Result) -> states.ModelState:
    """An ordered model is for its caller: no fleet gets it unless a person approves it."""
    if run.manifest:
        return states.ModelState.HOSTED
    return result.state


def _files(project: str, folder: str, result: jobs.Result) -> documents.Files:
    """Name -> sha256, size and key. The file that models share is named by its content."""
    return {
        name: documents.StoredFile(
            sha256=file.sha256,
            size=file.size,
            key=keys.backbone(project, file.sha256) if name == result.shared else f"{folder}/{name}",
        )
        for name, file in result.files.items()
    }


async def _upload(store: storage.Storage, package: Path, folder: str, files: documents.Files) -> None:
    """Store the files of a package. What is outside of the attempt's folder is named by its content, and stored once."""
    for name, file in files.items():
        if file.key.startswith(f"{folder}/") or await store.size(file.key) is None:
            await store.put(file.key, (package / name).read_bytes())


def _model_row(
    run: tables.TrainingRun, dataset: int, version: int, result: jobs.Result, files: documents.Files
) -> tables.ModelVersion:
    return tables.ModelVersion(
        project=run.project,
        version=version,
        run_id=run.id,
        dataset_version=dataset,
        state=_state(run, result),
        reasons=result.reasons,
        judged_at=run.started_at,
        labels=result.labels,
        files=files,
    )


async def _evaluations(
    store: storage.Storage, project: str, version: int, folder: str, result: jobs.Judged
) -> list[tables.Evaluation]:
    """Store the outcomes of both models and return the rows that refer to them."""
    rows = []
    for part, metrics in result.evaluations.items():
        own, other = keys.outcomes(folder, part), keys.outcomes(folder, part, "champion")
        compared = result.champion.get(part)
        await store.put(own, result.outcomes[part].read_bytes(), "application/jsonl")
        row = tables.Evaluation(
            project=project, model_version=version, part=part, metrics=metrics, outcomes_key=own,
            champion_key=None, champion_right=None, at=datetime.now(UTC),
        )  # fmt: skip
        if compared:
            body = compared.read_bytes()
            await store.put(other, body, "application/jsonl")
            row.champion_key = other
            row.champion_right = sum(outcome.right for outcome in documents.Outcome.read(body))
        rows.append(row)
    return rows
