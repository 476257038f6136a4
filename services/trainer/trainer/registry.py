"""Registering a model: its files in S3, its rows, and what follows, all under the run's lease."""

from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, outbox, storage
from strop_contracts import documents, errors, events, states, tables
from trainer import queries
from trainer.lease import Lease

log = structlog.get_logger()

BACKBONE = "backbone.onnx"


async def register(
    runtime: app.Runtime,
    lease: Lease,
    run: tables.TrainingRun,
    dataset: int,
    version: int,
    package: Path,
    result: dict[str, Any],
) -> None:
    """One transaction: the run is done, the model is there, and what follows leaves; Lost when the run is not ours.

    The files go up inside it, while the run's row is locked, so a trainer that lost its lease overwrites nothing. A crash
    before the commit leaves files without a row, which the next attempt replaces.
    """
    store, project = runtime.storage, run.project
    files = _files(project, version, result)
    backbone = files[BACKBONE].key
    if await store.size(backbone) is None:  # named by its content: it can be there already, and never differ
        await store.put(backbone, (package / BACKBONE).read_bytes())
    async with runtime.sessions.begin() as session:
        await lease.end(session, state=states.RunState.SUCCEEDED, dataset_version=dataset)
        for name, file in files.items():
            if name != BACKBONE:
                await store.put(file.key, (package / name).read_bytes())
        outcomes = await _outcomes(store, project, version, result)
        await _rows(session, run, dataset, version, result, files, outcomes)
        await queries.add_files(session, project, files)
        await outbox.add(session, events.ModelRegistered(project=project, run_id=run.id, model_version=version))
        if _state(run, result) == states.ModelState.APPROVED:
            await outbox.add(session, events.ModelApproved(project=project, model_version=version))
    log.info("model registered", project=project, model=version, state=_state(run, result), reasons=result["reasons"])


async def approve(session: AsyncSession, project: str, version: int) -> None:
    """Let a person roll out what no gate approved: a model that was ordered, or one that was refused.

    NotFound without such a model; Refused when it is approved already.
    """
    model = await session.get(tables.ModelVersion, (project, version), with_for_update=True)
    if model is None:
        raise errors.NotFound(f"{project} has no model version {version}")
    if model.state == states.ModelState.APPROVED:
        raise errors.Refused(f"v{version} is approved already; `strop rollback {project} v{version}` returns to it")
    model.reasons = [f"approved by a person, {model.state} before", *model.reasons]
    model.state = states.ModelState.APPROVED
    await outbox.add(session, events.ModelApproved(project=project, model_version=version))


def _state(run: tables.TrainingRun, result: dict[str, Any]) -> states.ModelState:
    """What is ordered is for whoever ordered it: no fleet gets it unless a person says so."""
    if run.manifest:
        return states.ModelState.HOSTED
    return states.ModelState(result["state"])


def _files(project: str, version: int, result: dict[str, Any]) -> documents.Files:
    """Name -> sha256, size and key. Keys are never overwritten once a row names them."""
    return {
        name: documents.StoredFile(
            **file,
            key=f"{project}/backbones/{file['sha256']}.onnx"
            if name == BACKBONE
            else f"{project}/models/v{version}/{name}",
        )
        for name, file in result["files"].items()
    }


async def _outcomes(store: storage.Storage, project: str, version: int, result: dict[str, Any]) -> dict[str, str]:
    keys = {}
    for part, path in result["outcomes"].items():
        keys[part] = f"{project}/models/v{version}/outcomes-{part}.jsonl"
        await store.put(keys[part], Path(path).read_bytes(), "application/jsonl")
    return keys


async def _rows(
    session: AsyncSession,
    run: tables.TrainingRun,
    dataset: int,
    version: int,
    result: dict[str, Any],
    files: documents.Files,
    outcomes: dict[str, str],
) -> None:
    key = {"project": run.project}
    session.add(
        tables.ModelVersion(
            **key,
            version=version,
            run_id=run.id,
            dataset_version=dataset,
            state=_state(run, result),
            reasons=result["reasons"],
            labels=result["labels"],
            files=files,
        )
    )
    session.add_all(
        tables.Evaluation(**key, model_version=version, part=part, metrics=metrics, outcomes_key=outcomes[part])
        for part, metrics in result["evaluations"].items()
    )
