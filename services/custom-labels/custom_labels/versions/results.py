"""The results of a training for DescribeProjectVersions, and the keys in the caller's bucket. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from strop import unusable
from strop_contracts import documents, states, tables
from strop_contracts.tables import ProjectVersion as Version


def key(version: Version, kind: str) -> str:
    """Where a file of this kind lies: in the folder that the caller named, with the project and the version in its name."""
    prefix = version.output.get("S3KeyPrefix", "").strip("/")
    return f"{prefix}/{kind}-{version.project}-{version.name}.json".lstrip("/")


def _object(version: Version, kind: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": version.output["S3Bucket"], "Name": key(version, kind)}}


def _assets(version: Version, kind: str) -> dict[str, Any]:
    return {"Assets": [{"GroundTruthManifest": _object(version, kind)}]}


def asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller gave: manifests, in the older form of the request."""
    return {
        "TrainingDataResult": {"Input": request.get("TrainingData", {})},
        "TestingDataResult": {"Input": request.get("TestingData", {})},
    }


def validated(version: Version) -> dict[str, Any]:
    """What is known once the data sets were looked through."""
    found = version.results
    validation = {"Validation": _assets(version, "TestingManifestWithValidation")}
    return {
        "ManifestSummary": _object(version, "ManifestSummary"),
        "TrainingDataResult": {
            **found["TrainingDataResult"],
            "Validation": _assets(version, "TrainingManifestWithValidation"),
        },
        "TestingDataResult": {**found["TestingDataResult"], **({} if splits(found) else validation)},
    }


def splits(found: Mapping[str, Any]) -> bool:
    """Tell whether a part of the training images becomes the test set."""
    return bool(found["TestingDataResult"]["Input"].get("AutoCreate"))


def trained(version: Version, run: tables.TrainingRun, answers: documents.Answers) -> dict[str, Any]:
    """What is known once the model is there."""
    found = version.results
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0
    testing = {**_assets(version, "TestingGroundTruth"), "AutoCreate": splits(found)}
    return {
        "BillableTrainingTimeInSeconds": round(seconds),
        "TrainingDataResult": {**found["TrainingDataResult"], "Output": _assets(version, "TrainingGroundTruth")},
        "TestingDataResult": {**found["TestingDataResult"], "Output": testing},
        "EvaluationResult": {
            "F1Score": answers.f1 or 0.0,
            "Summary": _object(version, "EvaluationResultSummary"),
        },
    }


def ready(skipped: Sequence[documents.LeftOut]) -> str:
    """Return the message: the model can be started, and which images it was trained without."""
    if not skipped:
        return "The model is ready to run."
    left_out = unusable.sentence([(each.source, each.reason) for each in skipped])
    return f"The model is ready to run, trained on the other images. {left_out}"


def fleets(metrics: Mapping[states.EvaluationPart, documents.Metrics]) -> dict[str, Any]:
    """Return the results of a fleet's model from its evaluations, of the field if there is one."""
    tested = [metrics[part] for part in states.EvaluationPart if part in metrics and metrics[part].images]
    answers = tested[0].answers if tested else None
    return {} if answers is None or answers.f1 is None else {"EvaluationResult": {"F1Score": answers.f1}}


def moved(version: Version, source: Version) -> dict[str, Any]:
    """Return the results of a copy: the figures of the source, and the files at the copy's location."""
    found = source.results.get("EvaluationResult")
    if found is None:
        return {}
    summary = {"Summary": _object(version, "EvaluationResultSummary")} if "Summary" in found else {}
    return {"EvaluationResult": {"F1Score": found["F1Score"], **summary}}
