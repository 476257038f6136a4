"""Project versions, which are models: trained, described, copied, deleted."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from custom_labels import buckets
from custom_labels.api import arns, faults, paging, shapes
from custom_labels.api.call import Call
from custom_labels.datasets import changes
from custom_labels.datasets import operations as datasets
from custom_labels.projects import queries as projects
from custom_labels.versions import results, selection
from custom_labels.versions.training import Training
from strop import outbox
from strop_contracts import documents, events, keys, states, tables
from strop_contracts.tables import HostedDataset as Dataset
from strop_contracts.tables import ProjectVersion as Version

BUSY = {
    states.VersionStatus.TRAINING_IN_PROGRESS,
    states.VersionStatus.STARTING,
    states.VersionStatus.RUNNING,
    states.VersionStatus.STOPPING,
    states.VersionStatus.COPYING_IN_PROGRESS,
}
"""Statuses of a version that cannot be deleted."""


async def create(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Have a model trained. Whatever can be wrong with its data sets is found here, and then nothing is made."""
    given = _given(request)
    project = await projects.find(call, request["ProjectArn"], lock=True)
    await _check_free(call, project, request["VersionName"])
    training = select(Version.name).where(
        Version.project == project.name, Version.status == states.VersionStatus.TRAINING_IN_PROGRESS
    )
    if name := await call.session.scalar(training.limit(1)):
        raise faults.LimitExceededException(f"Version {name} of this project is being trained: one at a time.")
    own = select(Dataset).where(Dataset.project == project.name, Dataset.version_id.is_(None))
    # Locked: entries that move from one to the other meanwhile would be in both, or in neither.
    locked = own.order_by(Dataset.id).with_for_update(read=True)
    found = {dataset.kind: dataset for dataset in await call.session.scalars(locked)}
    made = _row(request, project.name, states.VersionStatus.TRAINING_IN_PROGRESS)
    made.results = results.asked(request)
    call.session.add(made)
    await call.session.flush()
    if given:
        if found:
            raise faults.InvalidParameterException("TrainingData is for projects without data sets; this one has some.")
        await _bring(call, made, given)
    else:
        await _order(call, made, found)
    return {"ProjectVersionArn": arns.version(call.settings, made)}


def _given(request: dict[str, Any]) -> dict[states.DatasetKind, documents.S3Object | None]:
    """The manifests of the older form, by kind; a kind with None is to be split off. Empty in the newer form."""
    if "S3Bucket" not in request["OutputConfig"]:
        raise faults.InvalidParameterException("OutputConfig needs an S3Bucket.")
    training, testing = request.get("TrainingData"), request.get("TestingData")
    if training is None and testing is None:
        return {}
    if training is None or testing is None:
        raise faults.InvalidParameterException("TrainingData and TestingData are given together, or neither of them.")
    splits = bool(testing.get("AutoCreate"))
    if splits == bool(testing.get("Assets")):
        raise faults.InvalidParameterException("TestingData has either one asset, or AutoCreate.")
    return {states.DatasetKind.TRAIN: _asset(training), states.DatasetKind.TEST: None if splits else _asset(testing)}


def _asset(data: dict[str, Any]) -> documents.S3Object:
    assets = data.get("Assets", [])
    if len(assets) != 1:
        raise faults.InvalidParameterException("One asset is needed, a GroundTruthManifest.")
    s3_object: dict[str, Any] = assets[0].get("GroundTruthManifest", {}).get("S3Object", {})
    return buckets.named(s3_object)


async def _bring(call: Call, version: Version, given: dict[states.DatasetKind, documents.S3Object | None]) -> None:
    """Have the version's own manifests read; `Training.tick` orders the model when that is done."""
    version.message = "The manifests are being read."
    for kind, s3_object in given.items():
        if s3_object is None:
            continue
        await _check_readable(call, s3_object)
        dataset = Dataset(
            project=version.project, kind=kind, version_id=version.id, status=states.DatasetStatus.CREATE_IN_PROGRESS
        )
        call.session.add(dataset)
        await call.session.flush()
        await changes.order(call.session, dataset, states.ChangeKind.CREATE, changes.manifest_at(s3_object))


async def _check_readable(call: Call, s3_object: documents.S3Object) -> None:
    try:
        await buckets.size(call.runtime.storage, s3_object)
    except faults.InvalidS3ObjectException as error:  # an error that this operation does not have
        raise faults.InvalidParameterException(str(error)) from error


async def _order(call: Call, version: Version, found: dict[states.DatasetKind, Dataset]) -> None:
    for kind, what in ((states.DatasetKind.TRAIN, "training"), (states.DatasetKind.TEST, "test")):
        if kind not in found:
            raise faults.InvalidParameterException(f"The project has no {what} data set: create one first.")
        if found[kind].status.endswith("IN_PROGRESS"):
            raise faults.ResourceInUseException(f"The {what} data set is {found[kind].status}.")
        if found[kind].status not in datasets.READY:
            raise faults.InvalidParameterException(
                f"The {what} data set is {found[kind].status}: {found[kind].message}"
            )
    try:
        await Training(call.runtime, call.settings).order(
            call.session, version, found[states.DatasetKind.TRAIN], found[states.DatasetKind.TEST]
        )
    except selection.Unfit as error:
        raise faults.InvalidParameterException(str(error)) from error
    except buckets.Unreadable as error:
        raise _no_output(version, error) from error


def _no_output(version: Version, error: buckets.Unreadable) -> faults.InvalidParameterException:
    return faults.InvalidParameterException(f"The bucket {version.output['S3Bucket']} takes no results: {error}.")


async def _check_free(call: Call, project: tables.Project, name: str) -> None:
    taken = select(Version.id).where(Version.project == project.name, Version.name == name)
    if await call.session.scalar(taken):
        raise faults.ResourceInUseException(f"The project has a version {name} already.")


def _row(request: dict[str, Any], project: str, status: states.VersionStatus) -> Version:
    moderation = request.get("FeatureConfig", {}).get("ContentModeration", {})
    return Version(
        project=project,
        name=request["VersionName"],
        status=status,
        description=request.get("VersionDescription"),
        threshold=moderation.get("ConfidenceThreshold"),
        output=request["OutputConfig"],
        tags=request.get("Tags", {}),
        kms_key_id=request.get("KmsKeyId"),
    )


async def describe(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """List the versions of a project, newest first; a name that no version has is left out."""
    project = await projects.find(call, request["ProjectArn"])
    size, after = request.get("MaxResults", 100), _after(request)
    wanted = select(Version).where(Version.project == project.name).order_by(Version.id.desc()).limit(size + 1)
    if after:
        wanted = wanted.where(Version.id < after)
    if "VersionNames" in request:
        wanted = wanted.where(Version.name.in_(request["VersionNames"]))
    found = list(await call.session.scalars(wanted))
    more = len(found) > size
    return {
        "ProjectVersionDescriptions": [_description(call, version) for version in found[:size]],
        "NextToken": paging.write("DescribeProjectVersions", request, str(found[size - 1].id)) if more else None,
    }


def _after(request: dict[str, Any]) -> UUID | None:
    after = paging.read("DescribeProjectVersions", request)
    try:
        return UUID(after) if after else None
    except ValueError as error:
        raise faults.InvalidPaginationTokenException("The pagination token is not valid.") from error


def _description(call: Call, version: Version) -> dict[str, Any]:
    threshold = version.threshold
    return {
        "ProjectVersionArn": arns.version(call.settings, version),
        "CreationTimestamp": version.at,
        "MinInferenceUnits": version.min_units,
        "MaxInferenceUnits": version.max_units,
        "Status": version.status,
        "StatusMessage": version.message,
        "TrainingEndTimestamp": version.trained_at,
        "OutputConfig": version.output or None,
        "KmsKeyId": version.kms_key_id,
        "SourceProjectVersionArn": version.source_arn,
        "VersionDescription": version.description,
        "Feature": shapes.FEATURE,
        "FeatureConfig": None if threshold is None else {"ContentModeration": {"ConfidenceThreshold": threshold}},
        **version.results,
    }


def _first(status: states.VersionStatus) -> str:
    return (
        "stop it"
        if status in {states.VersionStatus.STARTING, states.VersionStatus.RUNNING}
        else "wait for the end of that"
    )


async def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a version. The trainer deletes its model unless a fleet may have it; objects stay until the project is deleted."""
    version = await find(call, request["ProjectVersionArn"], lock=True)
    if version.status in BUSY:
        raise faults.ResourceInUseException(f"The version is {version.status}: {_first(version.status)} first.")
    await call.session.execute(delete_rows(Dataset).where(Dataset.version_id == version.id))
    if version.model_version is not None:
        gone = events.HostedModelDeleted(project=version.project, model_version=version.model_version)
        await outbox.add(call.session, gone)
    await call.session.delete(version)
    return {"Status": "DELETING"}


async def copy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Copy a model into another project, which owns its files from then on.

    Both projects are of one account, so no project policy is asked.
    """
    source = await find(call, request["SourceProjectVersionArn"])
    origin = await projects.find(call, request["SourceProjectArn"])
    target = await projects.find(call, request["DestinationProjectArn"], lock=True)
    if source.project != origin.name:
        raise faults.InvalidParameterException("The version is not one of the source project.")
    if origin.name == target.name:
        raise faults.InvalidParameterException("Source and destination are the same project.")
    if not source.files:
        raise faults.InvalidParameterException(f"The version is {source.status}: there is no model to copy.")
    if "S3Bucket" not in request["OutputConfig"]:
        raise faults.InvalidParameterException("OutputConfig needs an S3Bucket.")
    await _check_free(call, target, request["VersionName"])
    made = _row(request, target.name, states.VersionStatus.COPYING_COMPLETED)
    made.message, made.source_arn = "The model is ready to run.", arns.version(call.settings, source)
    made.description, made.threshold, made.trained_at = source.description, source.threshold, source.trained_at
    made.results = results.moved(made, source)
    call.session.add(made)
    await call.session.flush()
    made.files = await _copy_files(call, source, made)
    return {"ProjectVersionArn": arns.version(call.settings, made)}


async def _copy_files(call: Call, source: Version, made: Version) -> documents.Files:
    """Copy the model's files and its summary, before the commit; a repeat after a crash leaves a few objects unused."""
    store = call.runtime.storage
    files = {
        name: file.model_copy(update={"key": keys.model_copy(made.project, made.id, name)})
        for name, file in source.files.items()
    }
    for name, file in files.items():
        await store.copy(source.files[name].key, file.key)
    summary = source.results.get("EvaluationResult", {}).get("Summary")
    if summary:
        place = summary["S3Object"]
        try:
            body = await buckets.read(store, place["Bucket"], place["Name"], 2**26)
            key = made.results["EvaluationResult"]["Summary"]["S3Object"]["Name"]
            await buckets.write(store, made.output["S3Bucket"], key, body)
        except buckets.Unreadable as error:
            raise _no_output(made, error) from error
    return files


async def find(call: Call, arn: str, *, lock: bool = False) -> Version:
    """Look a version up by its ARN; with `lock`, no other transaction changes it until this one ends."""
    parsed = arns.parse(call.settings, arn)
    if parsed is not None and parsed.kind == "version":
        wanted = select(Version).where(Version.project == parsed.project, Version.name == parsed.name)
        found: Version | None = await call.session.scalar(wanted.with_for_update() if lock else wanted)
        if found is not None and parsed.fits(found.at):
            return found
    raise faults.ResourceNotFoundException(f"There is no project version {arn}.")
