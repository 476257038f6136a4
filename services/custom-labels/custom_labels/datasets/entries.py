"""Entries of a data set, and its labels."""

import io
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array

from custom_labels.api import faults, paging
from custom_labels.api.call import Call
from custom_labels.datasets import changes, manifest
from custom_labels.datasets import operations as datasets
from strop_contracts import keys, states
from strop_contracts.tables import HostedDataset as Dataset
from strop_contracts.tables import HostedEntry as Entry
from strop_wire import fields


async def update(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take lines in, later; an entry is replaced by a line with its source-ref."""
    dataset = await datasets.find(call, request["DatasetArn"], lock=True)
    if dataset.status.endswith("IN_PROGRESS"):
        raise faults.ResourceInUseException(f"The data set is {dataset.status}.")
    if dataset.status not in datasets.READY:
        raise faults.InvalidParameterException(f"The data set is {dataset.status}: delete it.")
    body = request["Changes"]["GroundTruth"]
    if not any(line.strip() for line in manifest.lines(io.BytesIO(body))):
        raise faults.InvalidParameterException("Changes.GroundTruth holds no JSON Line.")
    dataset.status, dataset.code, dataset.message = states.DatasetStatus.UPDATE_IN_PROGRESS, None, ""
    change = await changes.order(call.session, dataset, states.ChangeKind.UPDATE, {})
    await call.runtime.storage.put(keys.change(dataset.project, change), body)  # before the commit
    return {}


async def list_entries(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A page of lines, in the manifest's order."""
    dataset = await _readable(call, request)
    size, after = request.get("MaxResults", 100), paging.number("ListDatasetEntries", request)
    wanted = select(Entry).where(Entry.dataset_id == dataset.id, *_filters(request))
    if after is not None:
        wanted = wanted.where(Entry.position > after)
    found = list(await call.session.scalars(wanted.order_by(Entry.position).limit(size + 1)))
    more = len(found) > size
    return {
        "DatasetEntries": [manifest.show(entry.line, entry.labels, entry.errors) for entry in found[:size]],
        "NextToken": paging.write("ListDatasetEntries", request, str(found[size - 1].position)) if more else None,
    }


def _filters(request: dict[str, Any]) -> list[Any]:
    """Conditions of a request, all of which must hold."""
    conditions: list[Any] = []
    if "ContainsLabels" in request:  # any of them
        conditions.append(Entry.labels.has_any(cast(array([*map(_spelled, request["ContainsLabels"])]), ARRAY(Text))))
    if "Labeled" in request:
        conditions.append((func.jsonb_array_length(Entry.labels) > 0).is_(request["Labeled"]))
    if "SourceRefContains" in request:
        conditions.append(func.strpos(Entry.source_ref, request["SourceRefContains"]) > 0)
    if "HasErrors" in request:
        conditions.append((func.jsonb_array_length(Entry.errors) > 0).is_(request["HasErrors"]))
    return conditions


def _spelled(label: str) -> str:
    """Return a label as entries have it; a text that no entry can have stays as it is."""
    try:
        return fields.label(label)
    except fields.Malformed:
        return label


async def list_labels(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A page of labels in the order of their names, each with the number of its images."""
    dataset = await _readable(call, request)
    size, start = request.get("MaxResults", 100), paging.number("ListDatasetLabels", request) or 0
    names = (
        select(func.jsonb_array_elements_text(Entry.labels).label("name"))
        .where(Entry.dataset_id == dataset.id)
        .subquery()
    )
    counts = select(names.c.name, func.count()).group_by(names.c.name).order_by(names.c.name)
    found = (await call.session.execute(counts.offset(start).limit(size + 1))).all()
    more = len(found) > size
    return {
        "DatasetLabelDescriptions": [
            {"LabelName": name, "LabelStats": {"EntryCount": count, "BoundingBoxCount": 0}}
            for name, count in found[:size]
        ],
        "NextToken": paging.write("ListDatasetLabels", request, str(start + size)) if more else None,
    }


async def _readable(call: Call, request: dict[str, Any]) -> Dataset:
    """The data set of a request. One that failed can be read too: its bad lines are why."""
    dataset = await datasets.find(call, request["DatasetArn"])
    if dataset.status == states.DatasetStatus.CREATE_IN_PROGRESS:
        raise faults.ResourceNotReadyException("The data set is CREATE_IN_PROGRESS.")
    return dataset
