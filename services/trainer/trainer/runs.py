"""One training run, from the lease to the model. It outlasts any transaction, so a row with a lease guards it.

A crash leaves the row `running` with a lease that runs out; the tick then hands the run back (`triggers`).
"""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from strop import app, outbox
from strop_contracts import documents, errors, events, states, tables
from strop_wire import messages
from trainer import child, datasets, jobs, metrics, project_settings, queries, registry, signing
from trainer.lease import Lease, Lost, take
from trainer.settings import Settings

log = structlog.get_logger()

KNOWN_REJECTED = 0.05
"""Share of what it knows that a model to order may take for unknown, so that it rejects what it does not know."""


class Runs:
    """Carries out training runs, one call of `carry_out` each."""

    def __init__(self, runtime: app.Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._signer = signing.Signer(settings.model_key) if settings.model_key else None

    async def carry_out(self, event: events.TrainingRequested) -> None:
        """Train, unless it is done or in other hands. May be called again for the same event at any time."""
        run = await take(self._runtime.sessions, event.run_id, self._settings.lease)
        if run is None:
            async with self._runtime.sessions() as session:
                if await session.get(tables.TrainingRun, event.run_id) is None:
                    raise errors.InvalidMessage("there is no such training run")
            return
        lease = Lease(self._runtime.sessions, run, self._settings.lease)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(lease.keep())
                await self._train(run, lease)
                keeping.cancel()
        except* (child.Failed, datasets.BadManifest) as failures:
            await self._give_up(run, lease, str(failures.exceptions[0]))
        except* Lost:
            log.warning("another trainer took the run over", run=str(run.id))

    async def _give_up(self, run: tables.TrainingRun, lease: Lease, reason: str) -> None:
        log.error("training failed", project=run.project, run=str(run.id), reason=reason)
        async with self._runtime.sessions.begin() as session:
            await lease.end(session, state=states.RunState.FAILED, error=reason)
            if run.judges:  # the next judgement waits for further audits, or the failure would repeat at once
                await queries.judged(session, run)
            await outbox.add(session, events.TrainingFailed(project=run.project, run_id=run.id, reason=reason))

    async def _train(self, run: tables.TrainingRun, lease: Lease) -> None:
        started = time.monotonic()
        _clear(self._settings.cache / "runs", run)
        if run.attempts > self._settings.attempts:
            raise child.Failed(f"given up after {self._settings.attempts} attempts that crashed")
        dataset, items = await self._dataset(run, lease)
        with _folder(self._settings.cache / "runs", run) as folder:
            version, champion, job = await self._job(run, dataset, items, folder)
            if run.judges:
                judged = await child.run(folder, job, lease.tell, jobs.Judged)
                await registry.judge_again(self._runtime, lease, run, dataset, champion, judged)
                return
            made = await child.run(folder, job, lease.tell, jobs.Result)
            if self._signer:
                signed = self._signer.sign(run.project, f"v{version}", job.output)
                made = made.model_copy(update={"files": made.files | {messages.SIGNATURE: signed}})
            await registry.register(self._runtime, lease, run, dataset, version, champion, job.output, made)
        metrics.TRAINING_SECONDS.labels(run.project).observe(time.monotonic() - started)

    async def _dataset(self, run: tables.TrainingRun, lease: Lease) -> tuple[int, list[documents.Item]]:
        """Fix the dataset version: an order has its own, every other attempt makes a new one, because labels may be new.

        Manifests are read and written between transactions.
        """
        store, make = self._runtime.storage, self._runtime.sessions
        if run.manifest:
            manifest = await datasets.read(store, run.manifest)
            async with make.begin() as session:
                await lease.prove(session)
                return await datasets.take(session, run, run.manifest, manifest)
        async with make.begin() as session:
            await lease.prove(session)
            items = await datasets.gather(session, run.project, datetime.now(UTC))
            if not run.judges:
                _check(items)
            row, manifest = await datasets.draft(session, run, items)
        await store.put(row.key, manifest, "application/jsonl")
        async with make.begin() as session:
            await lease.prove(session)
            session.add(row)
        return row.version, items

    async def _job(
        self, run: tables.TrainingRun, dataset: int, items: list[documents.Item], folder: Path
    ) -> tuple[int, int | None, jobs.Job]:
        """What the child needs, as files: the images, and the champion to be compared with on the same ones.

        Returns the versions of model and champion, too. To judge a model again, it needs the held-out images only.
        """
        cache = self._settings.cache.absolute()
        parts = jobs.PARTS.values() if run.judges else (*jobs.PARTS.values(), documents.Part.TRAIN)
        used = [item for item in items if item.part in parts]
        images = await datasets.download(self._runtime.storage, run.project, used, cache / "images")
        async with self._runtime.sessions.begin() as session:
            version = run.judges or await queries.reserve_model(session, run)
            champion = None if run.manifest else await queries.champion(session, run.project)
            judged = await session.get(tables.ModelVersion, (run.project, run.judges)) if run.judges else None
            _, wanted = await project_settings.newest(session, run.project, self._settings)
            saved = await queries.training_settings(session, run.project)
        backend, options = self._backend(run, saved)
        job = jobs.Job(
            project=run.project,
            version=f"v{version}",
            created_at=datetime.now(UTC).isoformat(),
            dataset=str(dataset),
            cache=cache,
            output=folder / "package",
            champion=await self._package(champion, folder / "champion") if champion else None,
            judged=await self._package(judged, folder / "judged") if judged else None,
            limits=wanted.limits.again(judged.judged + 1) if judged else wanted.limits,
            images=tuple(images),
            backend=backend,
            options=options,
        )
        return version, champion.version if champion else None, job

    def _backend(self, run: tables.TrainingRun, saved: tables.TrainingSettings | None) -> tuple[str, dict[str, Any]]:
        """Return the backend and its options: those of an order, of the run, of the project, or of the service."""
        if run.backbone:
            return "head", {"backbone": run.backbone, "known_rejected": KNOWN_REJECTED}
        if run.backend:
            return run.backend, run.options or {}
        return (saved.backend, saved.options) if saved else (self._settings.backend, self._settings.options)

    async def _package(self, model: tables.ModelVersion, target: Path) -> Path:
        target.mkdir()
        for name, file in model.files.items():
            (target / name).write_bytes(await self._runtime.storage.get(file.key))
        return target


def _check(items: Sequence[documents.Item]) -> None:
    labels = {item.label for item in items if item.part == "train"}
    if len(labels) < 2:
        raise child.Failed(f"training needs images of at least 2 labels, found {len(labels)}: import a base set first")


def _clear(parent: Path, run: tables.TrainingRun) -> None:
    """Remove what earlier attempts of a run have left behind."""
    for old in parent.glob(f"{run.id}-*"):
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _folder(parent: Path, run: tables.TrainingRun) -> Iterator[Path]:
    """A fresh folder for one attempt."""
    folder = parent.absolute() / f"{run.id}-{run.attempts}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
