"""The files of an evaluation, in the layout of the guide."""

import json
from datetime import UTC, datetime
from typing import Any

from custom_labels.versions import evaluation
from strop_contracts import documents
from tests import factories

AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def item(sha256: str, label: str, part: str) -> documents.Item:
    said = {"sha256": sha256, "label": label, "part": part, "source": f"s3://b/{sha256}.jpg"}
    return documents.Item.model_validate({**said, "origin": "base", "group": sha256})


def outcome(sha256: str, label: str, answers: list[str]) -> documents.Outcome:
    return factories.outcome(sha256, label, answers, {"rose": 0.7, "tulip": 0.3})


NOTHING = {"true_positives": 0, "false_positives": 0, "false_negatives": 0}


LABELS = {
    "rose": {"images": 2, "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "threshold": 0.4, **NOTHING},
    "tulip": {"images": 1, "precision": None, "recall": 0.0, "f1": None, "threshold": None, **NOTHING},
}
TRAINED = evaluation.Trained(
    arn="arn:v",
    at=AT,
    labels=["rose", "tulip"],
    items=[item("a", "rose", "train"), item("b", "rose", "valid"), item("c", "rose", "valid"), item("d", "tulip", "valid")],
    answers=documents.Answers.model_validate(
        {"f1": 1 / 3, "precision": None, "recall": 0.25, "unanswered": 1, "labels": LABELS}
    ),
    outcomes=[outcome("b", "rose", ["rose"]), outcome("c", "rose", []), outcome("d", "tulip", ["rose"])],
)  # fmt: skip


def test_the_summary_has_figures_per_label_and_for_all() -> None:
    found = evaluation.summary(TRAINED)

    assert found["Version"] == 1
    assert found["EvaluationDetails"] == {
        "ProjectVersionArn": "arn:v",
        "EvaluationEndTimestamp": "2026-11-22T08:30:00",
        "Labels": ["rose", "tulip"],
        "NumberOfTrainingImages": 1,
        "NumberOfTestingImages": 3,
    }
    assert found["LabelEvaluationResults"] == [
        {
            "Label": "rose",
            "NumberOfTestingImages": 2,
            "Metrics": {"F1Score": 2 / 3, "Precision": 1.0, "Recall": 0.5, "Threshold": 0.4},
        },
        {
            "Label": "tulip",
            "NumberOfTestingImages": 1,
            "Metrics": {"F1Score": 0.0, "Precision": 0.0, "Recall": 0.0, "Threshold": 0.0},
        },
    ]


def test_the_aggregate_stands_in_both_places_in_which_tools_look() -> None:
    aggregate = evaluation.summary(TRAINED)["AggregatedEvaluationResults"]

    assert (aggregate["F1Score"], aggregate["Precision"], aggregate["Recall"]) == (1 / 3, 0.0, 0.25)
    assert aggregate["Metrics"] == {name: value for name, value in aggregate.items() if name != "Metrics"}
    assert [tuple(pair.values()) for pair in aggregate["ConfusionMatrix"]] == [
        ("rose", "rose", 0.5),
        ("tulip", "rose", 1.0),
        ("tulip", "tulip", 0.0),
    ]


def test_the_training_snapshot_names_each_image_and_its_label() -> None:
    (found,) = [json.loads(each) for each in evaluation.training_snapshot(TRAINED).splitlines()]

    assert found["source-ref"] == "s3://b/a.jpg"
    assert found["rekognition-custom-labels-training-0"] == 0
    assert found["rekognition-custom-labels-training-0-metadata"]["class-name"] == "rose"


def verdicts(found: dict[str, Any]) -> dict[str, list[str]]:
    """By label: what is true of it."""
    told = {}
    for name, metadata in found.items():
        if name.startswith("rekognition-custom-labels-evaluation") and name.endswith("-metadata"):
            details = metadata["rekognition-custom-labels-evaluation-details"]
            told[metadata["class-name"]] = [key for key, value in details.items() if value is True]
    return told


def test_the_testing_snapshot_has_right_wrong_and_missed_answers() -> None:
    right, missed, wrong = [json.loads(each) for each in evaluation.testing_snapshot(TRAINED).splitlines()]

    assert verdicts(right) == {"rose": ["is-true-positive", "is-present-in-ground-truth"]}
    assert verdicts(missed) == {"rose": ["is-false-negative", "is-present-in-ground-truth"]}
    assert verdicts(wrong) == {
        "rose": ["is-false-positive"],
        "tulip": ["is-false-negative", "is-present-in-ground-truth"],
    }
    assert right["rekognition-custom-labels-evaluation-0-metadata"]["confidence"] == 0.7


def test_the_manifest_summary_counts_lines_and_names_those_that_are_of_no_use() -> None:
    error: documents.LineError = {"code": "ERROR_INVALID_IMAGE", "message": "The image is invalid."}

    found = evaluation.statistics([(["rose"], [], True), ([], [error], False), ([], [], True)])

    assert found["total_json_lines"] == 3
    assert (found["valid_json_lines"], found["invalid_json_lines"], found["ignored_json_lines"]) == (1, 1, 1)
    assert (found["error_json_line_indices"], found["errors"]) == ([1], [error])
    assert (found["total_labels"], found["images_per_label"]) == (1, {"rose": 1})
