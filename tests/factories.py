"""Rows and bytes that many tests arrange. Nothing here commits."""

import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import rules
from strop_contracts import documents, tables
from strop_wire import ids, messages, reports, topics
from tests import roles

PROJECT = "bottles"
DEVICE = "line-1"


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), image_format: str = "JPEG") -> bytes:
    """The file of a small image of coloured noise, another one for each seed."""
    width, height = size
    noise = Image.frombytes("RGB", (8, 6), random.Random(seed).randbytes(8 * 6 * 3))
    body = io.BytesIO()
    noise.resize((width, height), Image.Resampling.BICUBIC).save(body, image_format)
    return body.getvalue()


async def make_project(session: AsyncSession, name: str = PROJECT, devices: tuple[str, ...] = (DEVICE,)) -> None:
    async with roles.owner(session):
        session.add(tables.Project(name=name))
        await session.flush()
        session.add_all(tables.Device(project=name, name=device) for device in devices)


def capture(body: bytes, **changes: Any) -> tables.Capture:
    """A capture of these bytes, as ingest writes it; `changes` replace columns."""
    sha256 = hashlib.sha256(body).hexdigest()
    columns = {
        "id": ids.uuid7(),
        "project": PROJECT,
        "device": DEVICE,
        "captured_at": datetime.now(UTC),
        "model": "v1",
        "predictions": [{"label": "can", "confidence": 0.55}, {"label": "mug", "confidence": 0.45}],
        "label": "can",
        "confidence": 0.55,
        "margin": 0.1,
        "reason": "low",
        "audit": False,
        "audit_probability": 0.05,
        "probability": 1.0,
        "policy": 0,
        "sha256": sha256,
        "size": len(body),
        "content_type": "image/jpeg",
        "seen": 1,
    }
    return tables.Capture(**{**columns, **changes})


async def make_capture(session: AsyncSession, body: bytes, **changes: Any) -> tables.Capture:
    made = capture(body, **changes)
    async with roles.owner(session):
        session.add(made)
    return made


async def make_image(session: AsyncSession, capture: tables.Capture) -> tables.Image:
    """The row of a capture's verified image; its bytes are the caller's to put."""
    columns = {"project": capture.project, "sha256": capture.sha256, "content_type": capture.content_type}
    made = tables.Image(**columns, size=capture.size, width=64, height=48)
    async with roles.owner(session):
        session.add(made)
    return made


def announcement(body: bytes, **changes: Any) -> messages.Capture:
    """What a device says of these bytes; `changes` replace fields."""
    said = messages.Capture(
        id=ids.new_id(),
        captured_at=datetime.now(UTC),
        model="v1",
        predictions=(messages.Prediction("can", 0.55), messages.Prediction("mug", 0.45)),
        reason="low",
        audit=False,
        audit_probability=0.05,
        probability=1.0,
        policy=0,
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        content_type="image/jpeg",
    )
    return replace(said, **changes)


def announced(said: messages.Capture, device: str = DEVICE) -> tables.Capture:
    """The row that ingest writes of an announcement."""
    topic = topics.topic(PROJECT, device, "capture")
    message = rules.DeviceMessage(topic, b"", topics.Address(PROJECT, device, "capture"), said)
    return tables.Capture(**rules.capture_row(message))


def state(**changes: Any) -> reports.State:
    """What a device says of itself; `changes` replace fields."""
    said = reports.State(boot=ids.new_id(), sequence=1, at=datetime.now(UTC), model="v1", agent="0.1.0")
    return replace(said, **changes)


def usage(predictions: dict[str, list[int]], model: str = "v1", **changes: Any) -> reports.Usage:
    """Counts of a device under one model; `changes` replace fields. All images took up to 5 ms."""
    latency = [0] * (len(reports.LATENCY_MS) + 1)
    latency[2] = sum(map(sum, predictions.values()))
    return replace(reports.Usage(model=model, policy=0, predictions=predictions, latency=latency), **changes)


async def make_model(
    session: AsyncSession, version: int, project: str = PROJECT, state: str = "approved"
) -> tables.ModelVersion:
    """A trained model version with its run; the hashes of its files tell the version."""
    run = tables.TrainingRun(project=project, state="succeeded", trigger="manual")
    async with roles.owner(session):
        session.add(run)
    files = {
        name: {"sha256": f"{version:064x}", "size": 1000 + version, "key": f"{project}/models/v{version}/{name}"}
        for name in ("model.json", "head.onnx", "backbone.onnx")
    }
    made = tables.ModelVersion(
        project=project,
        version=version,
        run_id=run.id,
        dataset_version=1,
        state=state,
        reasons=[],
        labels=[],
        files=files,
    )
    async with roles.owner(session):
        session.add(made)
    return made


def outcome(
    sha256: str, label: str, answers: Sequence[str], confidences: Mapping[str, float], **changes: Any
) -> documents.Outcome:
    """The outcome of a held-out image; its best label is the first of `confidences`."""
    best, confidence = next(iter(confidences.items()))
    said = {"sha256": sha256, "label": label, "predicted": best, "confidence": confidence, "margin": confidence}
    rest = {"passed": True, "answers": answers, "confidences": confidences}
    return documents.Outcome.model_validate({**said, **rest, **changes})
