"""A hosted project with data sets, a trained version and its evaluation, as the other services would have left them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, storage
from strop_contracts import documents, keys, tables
from strop_wire import ids
from tests import factories, roles

PROJECT = "flowers"
VERSION = "first"
LABELS = ("daisy", "rose", "tulip")
NOVEL = 1.0


@dataclass(frozen=True)
class Shot:
    """A test image: what it is, and how sure the model is of which label."""

    body: bytes
    label: str
    predicted: str
    confidence: float
    novel: bool = False
    threshold: float = 0.5

    @property
    def answers(self) -> list[str]:
        return [] if self.novel or self.confidence < self.threshold else [self.predicted]

    def outcome(self) -> documents.Outcome:
        return documents.Outcome.model_validate({
            "sha256": storage.digest(self.body),
            "label": self.label,
            "predicted": self.predicted,
            "confidence": self.confidence,
            "margin": self.confidence / 2,
            "passed": self.confidence >= self.threshold,
            "novelty": NOVEL + self.novel,
            "novel": self.novel,
            "confidences": {self.predicted: self.confidence},
            "answers": self.answers,
        })  # fmt: skip


SHOTS = (
    Shot(factories.picture(1), "daisy", "daisy", 0.98),
    Shot(factories.picture(2), "daisy", "daisy", 0.91),
    Shot(factories.picture(3), "rose", "rose", 0.88),
    Shot(factories.picture(4), "rose", "tulip", 0.71),
    Shot(factories.picture(5), "tulip", "tulip", 0.41),
    Shot(factories.picture(6), "tulip", "rose", 0.86, novel=True),
)
"""daisy: two right. rose: one right, one taken for a tulip. tulip: one not sure enough, one rejected as unknown."""


async def arrange(runtime: app.Runtime, shots: Sequence[Shot] = SHOTS, project: str = PROJECT, **version: Any) -> None:
    """Make project, data sets, version and evaluation; `version` replaces columns of its row."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, project, devices=())
        for kind in ("TRAIN", "TEST"):
            await add_dataset(runtime, session, project, kind, [(shot.body, [shot.label]) for shot in shots])
        made = await factories.make_model(session, 1, project, "hosted")
        columns = {"name": VERSION, "status": "TRAINING_COMPLETED", "model_version": 1, "run_id": made.run_id}
        session.add(tables.ProjectVersion(project=project, output={}, **{**columns, **version}))
        await add_evaluation(runtime, session, shots, project, 1)


async def add_dataset(
    runtime: app.Runtime, session: AsyncSession, project: str, kind: str, images: Sequence[tuple[bytes, list[str]]]
) -> tables.HostedDataset:
    """A data set of these images and their labels."""
    dataset = tables.HostedDataset(project=project, kind=kind, status="CREATE_COMPLETE")
    session.add(dataset)
    await session.flush()
    for place, (body, labels) in enumerate(images):
        await _store(runtime, session, project, body)
        source = f"s3://bucket/{kind.lower()}/{'-'.join(labels) or 'none'}/{place}.jpg"
        fields = {"line": "{}", "labels": labels, "sha256": storage.digest(body), "errors": []}
        session.add(tables.HostedEntry(dataset_id=dataset.id, source_ref=source, position=place, **fields))
    await session.flush()
    return dataset


async def _store(runtime: app.Runtime, session: AsyncSession, project: str, body: bytes) -> None:
    sha256 = storage.digest(body)
    if await session.get(tables.Image, (project, sha256)) is None:
        shape = {"size": len(body), "content_type": "image/jpeg", "width": 64, "height": 48}
        session.add(tables.Image(project=project, sha256=sha256, **shape))
        await session.flush()
        await runtime.storage.put(keys.image(project, sha256), body, "image/jpeg")


async def add_evaluation(
    runtime: app.Runtime, session: AsyncSession, shots: Sequence[Shot], project: str, version: int, part: str = "base"
) -> None:
    key = f"{project}/models/v{version}/outcomes-{part}.jsonl"
    await runtime.storage.put(key, documents.lines(shot.outcome() for shot in shots), "application/jsonl")
    row = {"project": project, "model_version": version, "part": part, "outcomes_key": key}
    session.add(tables.Evaluation(**row, metrics=metrics(shots)))


def metrics(shots: Sequence[Shot] = SHOTS, **changes: Any) -> documents.Metrics:
    """The metrics of an evaluation; `changes` replace figures."""
    names = sorted({shot.label for shot in shots} | {shot.predicted for shot in shots})
    right = sum(shot.label == shot.predicted for shot in shots)
    total = len(shots) or 1
    share = {"value": right / total, "low": 0.1, "high": 0.9}
    labels = {name: _label(name, shots) for name in names}
    bins: list[dict[str, float]] = [{"images": 0, "right": 0, "confidence": 0.0} for _ in range(10)]
    for shot in shots:
        found = bins[min(int(shot.confidence * 10), 9)]
        found["images"] += 1
        found["right"] += shot.label == shot.predicted
        found["confidence"] += shot.confidence
    counts = [[sum((s.label, s.predicted) == (a, b) for s in shots) for b in names] for a in names]
    return documents.Metrics.model_validate({
        "images": len(shots),
        "skipped": [],
        "right": right,
        "accuracy": share,
        "answered": {"value": sum(bool(shot.answers) for shot in shots) / total, "low": 0.1, "high": 0.9},
        "labels": {name: {**found, **_shares(found)} for name, found in labels.items()},
        "confusion": {"labels": names, "counts": counts},
        "calibration": {"ece": 0.07, "bins": bins},
        "macro_f1": _mean(labels, "f1"),
        "answers": {
            **{key: _mean(labels, key) for key in ("f1", "precision", "recall")},
            "unanswered": sum(not shot.answers for shot in shots),
            "labels": labels,
        },
        **changes,
    })  # fmt: skip


def _label(name: str, shots: Sequence[Shot]) -> dict[str, Any]:
    right = sum(shot.label == name and name in shot.answers for shot in shots)
    wrong = sum(shot.label != name and name in shot.answers for shot in shots)
    images = sum(shot.label == name for shot in shots)
    return {
        "images": images,
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": images - right,
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / images if images else None,
        "f1": 2 * right / (images + right + wrong) if images + right + wrong else None,
        "threshold": next((shot.threshold for shot in shots if shot.predicted == name), 0.5),
    }


def _shares(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("precision", "recall", "f1")
    values = {key: found[key] for key in names}
    return {key: None if value is None else {"value": value, "low": 0.0, "high": 1.0} for key, value in values.items()}


def _mean(labels: Mapping[str, Mapping[str, Any]], key: str) -> float:
    tested = [label[key] or 0.0 for label in labels.values() if label["images"]]
    return sum(tested) / (len(tested) or 1)


async def add_capture(runtime: app.Runtime, session: AsyncSession, body: bytes, label: str | None) -> None:
    """A field image that a person labelled."""
    capture = await factories.make_capture(session, body, id=ids.uuid7())
    await _store(runtime, session, capture.project, body)
    truth = {"label": label, "author": "ada", "device": capture.device, "sha256": capture.sha256}
    session.add(tables.GroundTruth(capture_id=capture.id, project=capture.project, **truth))
