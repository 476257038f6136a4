"""From data sets to a model: what is ordered of the trainer, and what becomes of a version when the trainer is done.

The order's manifest and the validation files are put before the transaction ends that announces them; repeating any of it
writes the same objects again. Needs `s3:PutObject` on the buckets that callers name for results.
"""

import json
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from custom_labels import buckets
from custom_labels.api import arns
from custom_labels.datasets import manifest
from custom_labels.datasets import operations as datasets
from custom_labels.settings import Settings
from custom_labels.versions import evaluation, results, selection
from strop import app, db, outbox
from strop_contracts import documents, events, keys, states, tables
from strop_contracts.tables import HostedDataset as Dataset
from strop_contracts.tables import HostedEntry as Row
from strop_contracts.tables import ProjectVersion as Version
from strop_wire import ids

log = structlog.get_logger()


class Training:
    """Orders models, and processes the outcomes."""

    def __init__(self, runtime: app.Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings

    async def order(self, session: AsyncSession, version: Version, train: Dataset, test: Dataset | None) -> None:
        """Have a version trained on its data sets, in the caller's transaction; without a test set a fifth is held out.

        selection.Unfit when no model can be made of them, buckets.Unreadable when the caller's bucket takes no results.
        """
        rows = {dataset.kind: await _rows(session, dataset) for dataset in (train, test) if dataset}
        entries = {kind: [_entry(row) for row in found] for kind, found in rows.items()}
        chosen = selection.select(entries[states.DatasetKind.TRAIN], entries.get(states.DatasetKind.TEST))
        await self._runtime.storage.put(keys.order(version.project, version.id), chosen.dumps(), "application/jsonl")
        for key, body in _validation(version, rows):
            await self._put(version, key, body)
        version.run_id = ids.uuid7()
        version.message = "The model is being trained."
        version.results = {**version.results, **results.validated(version)}
        ordered = events.TrainingOrdered(
            project=version.project,
            run_id=version.run_id,
            manifest=keys.order(version.project, version.id),
            backbone=events.HOSTED_BACKBONE,
        )
        await outbox.add(session, ordered)

    async def tick(self) -> None:
        """Order the versions that brought manifests of their own, once those are read."""
        async with db.tick(self._runtime.sessions, "custom-labels-orders") as session:
            if session is None:
                return
            waiting = select(Version).where(
                Version.status == states.VersionStatus.TRAINING_IN_PROGRESS, Version.run_id.is_(None)
            )
            for version in await session.scalars(waiting.with_for_update()):
                await self._order_when_ready(session, version)

    async def _order_when_ready(self, session: AsyncSession, version: Version) -> None:
        own = select(Dataset).where(Dataset.version_id == version.id)
        by_kind = {dataset.kind: dataset for dataset in await session.scalars(own)}
        if failed := [each for each in by_kind.values() if each.status == states.DatasetStatus.CREATE_FAILED]:
            _fail(version, failed[0].message)
        elif all(each.status in datasets.READY for each in by_kind.values()):
            try:
                await self.order(
                    session, version, by_kind[states.DatasetKind.TRAIN], by_kind.get(states.DatasetKind.TEST)
                )
            except (selection.Unfit, buckets.Unreadable) as error:
                _fail(version, str(error))

    async def on_model_registered(self, event: events.ModelRegistered, session: AsyncSession) -> None:
        model = await session.get(tables.ModelVersion, (event.project, event.model_version))
        if model is None:  # deleted since
            return
        version = await _of_run(session, event.run_id)
        if version is None:
            await _add_fleets(session, model)
        elif version.status == states.VersionStatus.TRAINING_IN_PROGRESS:
            await self._complete(session, version, model)

    async def on_training_failed(self, event: events.TrainingFailed, session: AsyncSession) -> None:
        version = await _of_run(session, event.run_id)
        if version and version.status == states.VersionStatus.TRAINING_IN_PROGRESS:
            _fail(version, event.reason)

    async def _complete(self, session: AsyncSession, version: Version, model: tables.ModelVersion) -> None:
        run = await session.get_one(tables.TrainingRun, model.run_id)
        found = await session.get_one(tables.Evaluation, (model.project, model.version, states.EvaluationPart.BASE))
        trained = await self._trained(version, model, found)
        try:
            for key, body in _outputs(version, trained):
                await self._put(version, key, body)
        except buckets.Unreadable as error:
            _fail(version, f"The results cannot be written to s3://{version.output['S3Bucket']}: {error}.")
            return
        version.status, version.message = (
            states.VersionStatus.TRAINING_COMPLETED,
            results.ready(found.metrics.skipped),
        )
        version.model_version, version.files, version.trained_at = model.version, model.files, run.finished_at
        version.results = {**version.results, **results.trained(version, run, trained.answers)}
        log.info("hosted_model_trained", project=version.project, version=version.name)

    async def _trained(
        self, version: Version, model: tables.ModelVersion, found: tables.Evaluation
    ) -> evaluation.Trained:
        store = self._runtime.storage
        skipped = {each.sha256 for each in found.metrics.skipped}
        items = documents.Item.read(await store.get(keys.order(version.project, version.id)))
        assert found.metrics.answers
        return evaluation.Trained(
            arns.version(self._settings, version),
            model.at,
            model.labels,
            [item for item in items if item.sha256 not in skipped],
            found.metrics.answers,
            documents.Outcome.read(await store.get(found.outcomes_key)) if found.outcomes_key else [],
        )

    async def _put(self, version: Version, key: str, body: bytes) -> None:
        await buckets.write(self._runtime.storage, version.output["S3Bucket"], key, body)


def _validation(version: Version, rows: dict[states.DatasetKind, Sequence[Row]]) -> list[tuple[str, bytes]]:
    """The files that say which lines of the manifests could be used."""
    parts = {states.DatasetKind.TRAIN: "training", states.DatasetKind.TEST: "testing"}
    statistics = {
        name: evaluation.statistics([(row.labels, row.errors, bool(row.sha256)) for row in rows.get(kind, [])])
        for kind, name in parts.items()
    }
    summary = json.dumps({"statistics": statistics, "errors": []}).encode()
    return [
        (results.key(version, "ManifestSummary"), summary),
        *(
            (results.key(version, f"{parts[kind].title()}ManifestWithValidation"), _shown(found))
            for kind, found in rows.items()
        ),
    ]


def _shown(rows: Sequence[Row]) -> bytes:
    return b"".join(manifest.show(row.line, row.labels, row.errors).encode() + b"\n" for row in rows)


def _outputs(version: Version, trained: evaluation.Trained) -> list[tuple[str, bytes]]:
    return [
        (results.key(version, "EvaluationResultSummary"), json.dumps(evaluation.summary(trained)).encode()),
        (results.key(version, "TrainingGroundTruth"), evaluation.training_snapshot(trained)),
        (results.key(version, "TestingGroundTruth"), evaluation.testing_snapshot(trained)),
    ]


async def _rows(session: AsyncSession, dataset: Dataset) -> Sequence[Row]:
    found = select(Row).where(Row.dataset_id == dataset.id).order_by(Row.position)
    return (await session.scalars(found)).all()


def _entry(row: Row) -> selection.Entry:
    refused = bool(row.errors) and manifest.reason(row.errors) in manifest.NON_TERMINAL
    return selection.Entry(row.source_ref, tuple(row.labels), row.sha256, refused)


async def _of_run(session: AsyncSession, run_id: UUID) -> Version | None:
    found: Version | None = await session.scalar(select(Version).where(Version.run_id == run_id).with_for_update())
    return found


async def _add_fleets(session: AsyncSession, model: tables.ModelVersion) -> None:
    """Show a fleet's own model as a version, too: `v3`, or `v3.fleet` where somebody named one of his own so."""
    by_part = select(tables.Evaluation).where(
        tables.Evaluation.project == model.project, tables.Evaluation.model_version == model.version
    )
    found = {row.part: row.metrics for row in await session.scalars(by_part)}
    values = {
        "project": model.project,
        "status": states.VersionStatus.TRAINING_COMPLETED,
        "message": "; ".join(model.reasons),
        "run_id": model.run_id,
        "model_version": model.version,
        "files": model.files,
        "trained_at": func.now(),
        "output": {},
        "results": results.fleets(found),
    }
    for name in (f"v{model.version}", f"v{model.version}.fleet"):
        statement = insert(Version).values(id=ids.uuid7(), name=name, **values).on_conflict_do_nothing()
        if await session.scalar(statement.returning(Version.id)):
            return


def _fail(version: Version, reason: str) -> None:
    version.status, version.message = states.VersionStatus.TRAINING_FAILED, reason
    log.warning("hosted_model_training_failed", project=version.project, version=version.name, reason=reason)
