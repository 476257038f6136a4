"""Data sets: made from a manifest, from another data set, or empty; described, distributed, deleted."""

from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from custom_labels import buckets
from custom_labels.api import arns, faults
from custom_labels.api.call import Call
from custom_labels.datasets import changes
from custom_labels.projects import queries as projects
from strop_contracts import documents, states
from strop_contracts.tables import HostedDataset as Dataset
from strop_contracts.tables import HostedEntry as Entry

READY = {states.DatasetStatus.CREATE_COMPLETE, states.DatasetStatus.UPDATE_COMPLETE, states.DatasetStatus.UPDATE_FAILED}
"""Statuses of a data set that can be read, changed and learned from; a failed update changed nothing."""


async def create(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    kind, source = await _source(call, request.get("DatasetSource", {}))
    project = await projects.find(call, request["ProjectArn"], lock=True)
    status, message = (
        (states.DatasetStatus.CREATE_IN_PROGRESS, "")
        if kind
        else (states.DatasetStatus.CREATE_COMPLETE, "The dataset was successfully created.")
    )
    values = {
        "project": project.name,
        "kind": request["DatasetType"],
        "status": status,
        "message": message,
        "code": None if kind else states.DatasetCode.SUCCESS,
        "tags": request.get("Tags", {}),
    }
    statement = insert(Dataset).values(values).on_conflict_do_nothing().returning(Dataset)
    made = await call.session.scalar(statement)
    if made is None:
        raise faults.ResourceAlreadyExistsException(f"The project has a {request['DatasetType']} data set already.")
    if kind:
        await changes.order(call.session, made, kind, source)
    return {"DatasetArn": arns.dataset(call.settings, made)}


async def _source(call: Call, wanted: dict[str, Any]) -> tuple[states.ChangeKind | None, documents.ChangeSource]:
    """Kind and source of the change that fills a new data set; kind None: it begins empty."""
    if len(wanted) > 1:
        raise faults.InvalidParameterException("DatasetSource takes GroundTruthManifest or DatasetArn, not both.")
    if "DatasetArn" in wanted:
        other = await find(call, wanted["DatasetArn"])
        if other.status not in READY:
            raise faults.InvalidParameterException(f"The source data set is {other.status}.")
        return states.ChangeKind.COPY, {"dataset": str(other.id)}
    if "GroundTruthManifest" in wanted:
        s3_object = wanted["GroundTruthManifest"].get("S3Object", {})
        await buckets.size(call.runtime.storage, s3_object)  # there, and readable
        return states.ChangeKind.CREATE, changes.manifest_at(buckets.named(s3_object))
    return None, {}


async def describe(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    dataset = await find(call, request["DatasetArn"])
    return {
        "DatasetDescription": {
            "CreationTimestamp": dataset.at,
            "LastUpdatedTimestamp": dataset.updated_at,
            "Status": dataset.status,
            "StatusMessage": dataset.message,
            "StatusMessageCode": dataset.code,
            "DatasetStats": await _stats(call, dataset),
        }
    }


async def _stats(call: Call, dataset: Dataset) -> dict[str, int]:
    """The current counts, which grow while a manifest is processed."""
    mine, labelled = Entry.dataset_id == dataset.id, func.jsonb_array_length(Entry.labels) > 0
    counts = select(
        func.count(),
        func.count().filter(labelled),
        func.count().filter(func.jsonb_array_length(Entry.errors) > 0),
    ).where(mine)
    total, with_labels, with_errors = (await call.session.execute(counts)).one()
    names = select(func.jsonb_array_elements_text(Entry.labels).label("name")).where(mine).distinct().subquery()
    labels = await call.session.scalar(select(func.count()).select_from(names))
    return {
        "LabeledEntries": with_labels,
        "TotalEntries": total,
        "TotalLabels": labels or 0,
        "ErrorEntries": with_errors,
    }


async def distribute(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Ask for a fifth of TRAIN to be moved into an empty TEST."""
    found = [
        await find(call, each["Arn"], lock=True) for each in sorted(request["Datasets"], key=lambda each: each["Arn"])
    ]
    by_kind = {dataset.kind: dataset for dataset in found}
    if by_kind.keys() != {states.DatasetKind.TRAIN, states.DatasetKind.TEST} or found[0].project != found[1].project:
        raise faults.InvalidParameterException("Distribute takes the training and the test data set of one project.")
    if busy := [dataset.status for dataset in found if dataset.status not in READY]:
        raise faults.ResourceNotReadyException(f"A data set is {busy[0]}.")
    if (
        await call.session.scalar(
            select(Entry.position).where(Entry.dataset_id == by_kind[states.DatasetKind.TEST].id).limit(1)
        )
        is not None
    ):
        raise faults.InvalidParameterException("The test data set must be empty.")
    for dataset in found:
        dataset.status, dataset.code, dataset.message = states.DatasetStatus.UPDATE_IN_PROGRESS, None, ""
    await changes.order(
        call.session,
        by_kind[states.DatasetKind.TEST],
        states.ChangeKind.DISTRIBUTE,
        {"dataset": str(by_kind[states.DatasetKind.TRAIN].id)},
    )
    return {}


async def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a data set with its entries. Models that were trained on it have their own snapshot."""
    dataset = await find(call, request["DatasetArn"], lock=True)
    if dataset.status.endswith("IN_PROGRESS"):
        raise faults.ResourceInUseException(f"The data set is {dataset.status}.")
    await call.session.execute(delete_rows(Dataset).where(Dataset.id == dataset.id))
    return {}


async def find(call: Call, arn: str, *, lock: bool = False) -> Dataset:
    """Look a data set up by its ARN; with `lock`, no other transaction changes it until this one ends."""
    parsed = arns.parse(call.settings, arn)
    if parsed is not None and parsed.kind == "dataset":
        wanted = select(Dataset).where(
            Dataset.project == parsed.project, Dataset.kind == parsed.name.upper(), Dataset.version_id.is_(None)
        )
        found = await call.session.scalar(wanted.with_for_update() if lock else wanted)
        if found is not None and parsed.fits(found.at):
            return found
    raise faults.ResourceNotFoundException(f"There is no data set {arn}.")
