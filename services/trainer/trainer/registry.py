"""Registering a model: first its files in S3, then, in one transaction under the run's lease, its rows and events.

Each attempt of a run has keys of its own, so a trainer that lost its lease overwrites no file of a registered model. A crash
between upload and commit leaves files without a row, which are deleted with the project.
"""

from collections.abc import Mapping
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
    package: Path,
    result: jobs.Result,
) -> None:
    """Upload the files, then end the run and add the model with its events; Lost if the run is not ours."""
    project, folder = run.project, keys.attempt(run.project, version, run.attempts)
    files = _files(project, folder, result)
    outcomes = {part: keys.outcomes(folder, part) for part in result.outcomes}
    await lease.hold()
    await _upload(runtime.storage, package, folder, files)
    for part, path in result.outcomes.items():
        await runtime.storage.put(outcomes[part], path.read_bytes(), "application/jsonl")
    async with runtime.sessions.begin() as session:
        await lease.end(session, state=states.RunState.SUCCEEDED, dataset_version=dataset)
        await _rows(session, run, dataset, version, result, files, outcomes)
        await queries.add_files(session, project, files)
        registered = events.ModelRegistered(id=run.id, project=project, run_id=run.id, model_version=version)
        await outbox.add(session, registered)
        if _state(run, result) == states.ModelState.APPROVED:
            await outbox.add(session, events.ModelApproved(project=project, model_version=version))
    log.info("model registered", project=project, model=version, state=_state(run, result), reasons=result.reasons)


async def approve(session: AsyncSession, project: str, version: int, by: str) -> None:
    """Roll a model out that the gate left undecided or refused, or that was ordered; the reasons name the person.

    A model that is approved and not rolled out, because its event was lost, is rolled out. NotFound without such a model;
    Refused when it was rolled out already. The caller commits.
    """
    model = await _model(session, project, version)
    if model.state != states.ModelState.APPROVED:
        _decide(model, states.ModelState.APPROVED, by)
    elif await queries.is_deployed(session, project, version):
        raise errors.Refused(f"v{version} is approved already; `strop rollback {project} v{version}` returns to it")
    await outbox.add(session, events.ModelApproved(project=project, model_version=version))


async def reject(session: AsyncSession, project: str, version: int, by: str) -> None:
    """Refuse a model that the gate left undecided; the reasons name the person.

    NotFound without such a model; Refused when it is not undecided. The caller commits.
    """
    model = await _model(session, project, version)
    if model.state != states.ModelState.UNDECIDED:
        raise errors.Refused(f"v{version} is {model.state}: only an undecided model can be rejected")
    _decide(model, states.ModelState.REFUSED, by)


async def _model(session: AsyncSession, project: str, version: int) -> tables.ModelVersion:
    """Return the model with its row locked."""
    model = await session.get(tables.ModelVersion, (project, version), with_for_update=True)
    if model is None:
        raise errors.NotFound(f"{project} has no model version {version}")
    return model


def _decide(model: tables.ModelVersion, state: states.ModelState, by: str) -> None:
    model.reasons = [f"{state} by {by}, {model.state} before", *model.reasons]
    log.info("model_decided", project=model.project, model=model.version, state=state, before=model.state, by=by)
    model.state = state


def _state(run: tables.TrainingRun, result: jobs.Result) -> states.ModelState:
    """What is ordered is for whoever ordered it: no fleet gets it unless a person says so."""
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


async def _rows(
    session: AsyncSession,
    run: tables.TrainingRun,
    dataset: int,
    version: int,
    result: jobs.Result,
    files: documents.Files,
    outcomes: Mapping[documents.Origin, str],
) -> None:
    key = {"project": run.project}
    session.add(
        tables.ModelVersion(
            **key,
            version=version,
            run_id=run.id,
            dataset_version=dataset,
            state=_state(run, result),
            reasons=result.reasons,
            labels=result.labels,
            files=files,
        )
    )
    session.add_all(
        tables.Evaluation(**key, model_version=version, part=part, metrics=metrics, outcomes_key=outcomes[part])
        for part, metrics in result.evaluations.items()
    )
