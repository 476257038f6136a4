"""The journey of one capture: device, route, upload, labels, dataset versions, models, and the devices that run these."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, storage
from strop_contracts import control_trace as documents
from strop_contracts import errors, tables

MANIFESTS = 20
"""Dataset versions that are searched for the image, the newest first."""
_AT_ONCE = 4
"""Manifests in memory, a few MB each."""


async def project_of(session: AsyncSession, capture: UUID) -> str:
    """Return the project of a capture; NotFound if there is no such capture."""
    project = await session.scalar(select(tables.Capture.project).where(tables.Capture.id == capture))
    if project is None:
        raise errors.NotFound(f"There is no capture {capture}.")
    return project


async def trace(runtime: app.Runtime, project: str, capture: UUID) -> documents.Trace:
    """Return what became of a capture; NotFound if the project has none of this id.

    The manifests of dataset versions are read from the bucket, without a transaction.
    """
    async with runtime.sessions() as session:
        found = await session.get(tables.Capture, capture)
        if found is None or found.project != project:
            raise errors.NotFound(f"There is no capture {capture} in project {project}.")
        values = await _fate(session, found)
        truth = values["truth"]
        versions = await _versions(session, project, truth.at) if truth else []
    searched = versions[:MANIFESTS]
    places = await _search(runtime.storage, [key for _, _, key in searched], found.sha256)
    async with runtime.sessions() as session:
        datasets = [
            documents.TraceDataset(
                version=version, at=at, label=place["label"], part=place["part"],
                models=await _models(session, project, version),
            )
            for (version, at, _), place in zip(searched, places, strict=True)
            if place
        ]  # fmt: skip
    return documents.Trace(**values, datasets=datasets, unsearched=len(versions) - len(searched))


async def _fate(session: AsyncSession, capture: tables.Capture) -> dict[str, Any]:
    """Return the rows of a capture as fields of the document."""
    own = {name: getattr(capture, name) for name in documents.Trace.model_fields if hasattr(capture, name)}
    route = await session.get(tables.Route, capture.id)
    upload = await session.get(tables.Upload, capture.id)
    truth = await session.get(tables.GroundTruth, capture.id)
    task = await session.scalar(select(tables.LabelTask).where(tables.LabelTask.capture_id == capture.id))
    answer = tables.Annotation
    answers = await session.scalars(select(answer).where(answer.task_id == task.id).order_by(answer.at)) if task else ()
    return own | {
        "route": _document(documents.TraceRoute, route),
        "upload": _document(documents.TraceUpload, upload),
        "truth": _document(documents.TraceTruth, truth),
        "task": task.state if task else None,
        "answers": [_document(documents.TraceAnswer, each) for each in answers],
    }


def _document(kind: Any, row: Any) -> Any:
    """Return a document with the columns of a row that have its fields' names; None without a row."""
    return kind(**{name: getattr(row, name) for name in kind.model_fields}) if row else None


async def _versions(session: AsyncSession, project: str, since: Any) -> list[tuple[int, Any, str]]:
    """Return number, time and key of the manifest of the versions that were made after a label was agreed on, newest first."""
    table = tables.DatasetVersion
    made = select(table.version, table.at, table.key).where(table.project == project, table.at >= since)
    rows = await session.execute(made.order_by(table.version.desc()))
    return [(row[0], row[1], row[2]) for row in rows]


async def _search(store: storage.Storage, keys: Sequence[str], sha256: str) -> list[dict[str, Any] | None]:
    """Return the line about an image of each manifest; None where it has none, or is gone."""
    gate, wanted = asyncio.Semaphore(_AT_ONCE), f'"sha256":"{sha256}"'.encode()

    async def line(key: str) -> dict[str, Any] | None:
        async with gate:
            try:
                body = await store.get(key)
            except storage.NoSuchObject:
                return None
        return _line(body, wanted)

    return await asyncio.gather(*map(line, keys))


def _line(body: bytes, wanted: bytes) -> dict[str, Any] | None:
    """Return the first line that contains these bytes. Millions of lines are searched without parsing them."""
    place = body.find(wanted)
    if place < 0:
        return None
    end = body.find(b"\n", place)
    found: dict[str, Any] = json.loads(body[body.rfind(b"\n", 0, place) + 1 : end if end >= 0 else len(body)])
    return found


async def _models(session: AsyncSession, project: str, dataset: int) -> list[documents.TraceModel]:
    """Return the models of a dataset version, with the number of devices that run each."""
    model, device = tables.ModelVersion, tables.Device
    running = (
        select(func.count())
        .where(device.project == project, device.model == func.concat("v", model.version))
        .scalar_subquery()
    )
    rows = await session.execute(
        select(model.version, model.state, model.at, running.label("devices"))
        .where(model.project == project, model.dataset_version == dataset)
        .order_by(model.version)
    )
    return [documents.TraceModel(**row) for row in rows.mappings()]
