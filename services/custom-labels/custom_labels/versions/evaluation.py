"""The files that training leaves in the caller's bucket, in the layout of the Custom Labels guide. Pure.

Thresholds and confidences are 0 to 1 here, and 0 to 100 in the API.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from strop_contracts import documents

CLASSIFICATION = "groundtruth/image-classification"
TRAINING, EVALUATION = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to."""

    arn: str
    at: datetime
    labels: Sequence[str]
    items: Sequence[documents.Item]  # of the order's manifest
    answers: documents.Answers  # on the test images
    outcomes: Sequence[documents.Outcome]  # of the test images

    def part(self, part: documents.Part) -> list[documents.Item]:
        """Return the images of one part."""
        return [item for item in self.items if item.part == part]


def summary(trained: Trained) -> dict[str, Any]:
    """The summary file. Its confusion matrix counts what the model answers, so a row need not add up to 1."""
    whole = {"ConfusionMatrix": _confusion(trained), **_figures(trained.answers)}
    return {
        "Version": 1,
        "EvaluationDetails": {
            "ProjectVersionArn": trained.arn,
            "EvaluationEndTimestamp": _time(trained.at),
            "Labels": list(trained.labels),
            "NumberOfTrainingImages": len(trained.part(documents.Part.TRAIN)),
            "NumberOfTestingImages": len(trained.part(documents.Part.VALID)),
        },
        # The guide shows both places: tools read one or the other.
        "AggregatedEvaluationResults": {**whole, "Metrics": whole},
        "LabelEvaluationResults": [
            {"Label": label, "NumberOfTestingImages": found.images, "Metrics": _metrics(found)}
            for label, found in trained.answers.labels.items()
        ],
    }


def _figures(found: documents.Answers | documents.AnsweredLabel) -> dict[str, float]:
    return {"F1Score": found.f1 or 0.0, "Precision": found.precision or 0.0, "Recall": found.recall or 0.0}


def _metrics(found: documents.AnsweredLabel) -> dict[str, float]:
    return {**_figures(found), "Threshold": found.threshold or 0.0}


def _confusion(trained: Trained) -> list[dict[str, Any]]:
    """Of the test images of each label, the share that was answered with each; pairs without any are left out."""
    images = Counter(outcome.label for outcome in trained.outcomes)
    pairs = Counter((outcome.label, answer) for outcome in trained.outcomes for answer in outcome.answers)
    pairs.update({(label, label): 0 for label in images})
    return [
        {"GroundTruthLabel": truth, "PredictedLabel": answer, "Value": count / images[truth]}
        for (truth, answer), count in sorted(pairs.items())
    ]


def training_snapshot(trained: Trained) -> bytes:
    """The images that were trained on."""
    return _lines(_truth(trained, item) for item in trained.part(documents.Part.TRAIN))


def testing_snapshot(trained: Trained) -> bytes:
    """The images that were tested on, each with what the model answered, or should have."""
    outcomes = {outcome.sha256: outcome for outcome in trained.outcomes}
    return _lines(
        {**_truth(trained, item), **_judged(trained, outcomes[item.sha256])}
        for item in trained.part(documents.Part.VALID)
    )


def _truth(trained: Trained, item: documents.Item) -> dict[str, Any]:
    return {"source-ref": item.source, **_label(trained, TRAINING, 0, item.label, 1.0, human=True)}


def _judged(trained: Trained, outcome: documents.Outcome) -> dict[str, Any]:
    """One attribute for each label that was answered, and one for the truth if it was not."""
    names = [*outcome.answers, *({outcome.label} - set(outcome.answers))]
    judged: dict[str, Any] = {}
    for number, name in enumerate(names):
        attribute = _label(trained, EVALUATION, number, name, outcome.confidences.get(name, 0.0), human=False)
        attribute[f"{EVALUATION}-{number}-metadata"][f"{EVALUATION}-details"] = _details(outcome, name)
        judged |= attribute
    return judged


def _label(trained: Trained, prefix: str, number: int, name: str, confidence: float, *, human: bool) -> dict[str, Any]:
    metadata = {
        "confidence": confidence,
        "job-name": f"{prefix}-job",
        "class-name": name,
        "human-annotated": "yes" if human else "no",
        "creation-date": _time(trained.at),
        "type": CLASSIFICATION,
    }
    index = trained.labels.index(name) if name in trained.labels else len(trained.labels)
    return {f"{prefix}-{number}": index, f"{prefix}-{number}-metadata": metadata}


def _details(outcome: documents.Outcome, name: str) -> dict[str, Any]:
    answered, true = name in outcome.answers, name == outcome.label
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [f"{TRAINING}-job"],
        "is-true-positive": answered and true,
        "is-true-negative": False,
        "is-false-positive": answered and not true,
        "is-false-negative": true and not answered,
        "is-present-in-ground-truth": true,
    }


def statistics(entries: Sequence[tuple[Sequence[str], Sequence[documents.LineError], bool]]) -> dict[str, Any]:
    """Return the statistics of one data set for the manifest summary; `entries` are (labels, errors, usable), in the manifest's order."""
    bad = [number for number, (_, _, usable) in enumerate(entries) if not usable]
    ignored = sum(usable and not labels for labels, _, usable in entries)
    images = Counter(label for labels, _, usable in entries for label in labels if usable)
    codes = {(error["code"], error["message"]) for number in bad for error in entries[number][1]}
    return {
        "use_case": "IMAGE_LEVEL_LABELS",
        "total_json_lines": len(entries),
        "valid_json_lines": len(entries) - len(bad) - ignored,
        "invalid_json_lines": len(bad),
        "ignored_json_lines": ignored,
        "error_json_line_indices": bad,
        "errors": [{"code": code, "message": message} for code, message in sorted(codes)],
        "total_labels": len(images),
        "images_per_label": dict(sorted(images.items())),
    }


def _lines(objects: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat()
