"""Entries: upserts, filters, pages."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import update

from strop import app
from strop_contracts import tables
from tests import factories, roles
from tests.integration.custom_labels.conftest import Bucket, Rekognition


@pytest.fixture
async def train(rekognition: Rekognition, project: str, bucket: Bucket) -> str:
    """A data set: two roses, a tulip, one without a label, one that is not there."""
    labels = {"a/rose1.jpg": "rose", "a/rose2.jpg": "rose", "b/tulip.jpg": "tulip", "b/none.jpg": None}
    lines = [await bucket.line(key, label, seed) for seed, (key, label) in enumerate(labels.items())]
    lines.append(bucket.text("b/missing.jpg", "rose"))
    arn, described = await rekognition.dataset(project, await bucket.manifest(lines))
    assert described["Status"] == "CREATE_COMPLETE"
    return arn


async def names(rekognition: Rekognition, arn: str, **filters: Any) -> list[str]:
    return [entry["source-ref"].rpartition("/")[2] for entry in await rekognition.entries(arn, **filters)]


async def changed(rekognition: Rekognition, arn: str, *lines: str) -> dict[str, Any]:
    await rekognition.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": "\n".join(lines).encode()})
    return await rekognition.settled(arn)


async def test_each_filter_and_all_of_them(rekognition: Rekognition, train: str) -> None:
    everything = ["rose1.jpg", "rose2.jpg", "tulip.jpg", "none.jpg", "missing.jpg"]
    assert await names(rekognition, train) == everything
    assert await names(rekognition, train, ContainsLabels=["tulip", "nobody"]) == ["tulip.jpg"]
    assert await names(rekognition, train, Labeled=True) == everything[:3]
    assert await names(rekognition, train, Labeled=False) == everything[3:]
    assert await names(rekognition, train, SourceRefContains="/b/") == everything[2:]
    assert await names(rekognition, train, SourceRefContains="%") == []
    assert await names(rekognition, train, HasErrors=True) == ["missing.jpg"]
    assert await names(rekognition, train, HasErrors=False, Labeled=False) == ["none.jpg"]
    both = {"ContainsLabels": ["rose"], "SourceRefContains": "rose2"}
    assert await names(rekognition, train, **both) == ["rose2.jpg"]


async def test_entries_and_labels_come_in_pages(rekognition: Rekognition, train: str) -> None:
    def pages(operation: str, what: str, **request: Any) -> list[int]:
        found = rekognition.client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 2}, **request)
        return [len(page[what]) for page in found]

    listed = await asyncio.to_thread(pages, "list_dataset_entries", "DatasetEntries", DatasetArn=train)
    assert listed == [2, 2, 1]
    first = await rekognition.list_dataset_labels(DatasetArn=train, MaxResults=1)
    second = await rekognition.list_dataset_labels(DatasetArn=train, MaxResults=1, NextToken=first["NextToken"])
    assert [page["DatasetLabelDescriptions"][0]["LabelName"] for page in (first, second)] == ["rose", "tulip"]
    assert "NextToken" not in second
    for request in ({"NextToken": first["NextToken"]}, {"NextToken": "abc"}):
        failed = await rekognition.fails("list_dataset_entries", DatasetArn=train, **request)
        assert failed.startswith("InvalidPaginationTokenException: ")


async def test_an_update_replaces_and_adds_and_keeps_the_order(
    rekognition: Rekognition, train: str, bucket: Bucket
) -> None:
    await bucket.put("b/missing.jpg", factories.picture(9, (80, 64)))
    lines = [
        bucket.text("a/rose1.jpg", "tulip"),
        bucket.text("b/missing.jpg", "rose"),
        await bucket.line("new.jpg", "x"),
    ]

    described = await changed(rekognition, train, *lines, lines[2].replace('"x"', '"lily"'), "")

    assert (described["Status"], described["StatusMessageCode"]) == ("UPDATE_COMPLETE", "SUCCESS")
    assert described["DatasetStats"] == {"LabeledEntries": 5, "TotalEntries": 6, "TotalLabels": 3, "ErrorEntries": 0}
    everything = ["rose1.jpg", "rose2.jpg", "tulip.jpg", "none.jpg", "missing.jpg", "new.jpg"]
    assert await names(rekognition, train) == everything
    assert await names(rekognition, train, ContainsLabels=["tulip"]) == ["rose1.jpg", "tulip.jpg"]
    assert await names(rekognition, train, ContainsLabels=["lily"]) == ["new.jpg"]


async def test_an_update_with_too_many_bad_lines_changes_nothing(
    rekognition: Rekognition, train: str, bucket: Bucket
) -> None:
    before = await rekognition.entries(train)

    described = await changed(rekognition, train, bucket.text("a/rose1.jpg", "tulip"), "{")

    assert (described["Status"], described["StatusMessageCode"]) == ("UPDATE_FAILED", "CLIENT_ERROR")
    assert "ERROR_INVALID_JSON_LINE 1" in described["StatusMessage"]
    assert await rekognition.entries(train) == before
    described = await changed(rekognition, train, bucket.text("a/rose1.jpg", "tulip"))
    assert described["Status"] == "UPDATE_COMPLETE"


async def test_a_line_of_another_kind_fails_no_update(rekognition: Rekognition, train: str, bucket: Bucket) -> None:
    boxes = bucket.text("a/rose1.jpg", "rose", type="groundtruth/object-detection")

    described = await changed(rekognition, train, boxes)

    assert described["Status"] == "UPDATE_COMPLETE"
    assert "1 of 1 lines cannot be used: ERROR_UNSUPPORTED_USE_CASE_TYPE 1" in described["StatusMessage"]
    assert await names(rekognition, train, HasErrors=True) == ["rose1.jpg", "missing.jpg"]
    assert await names(rekognition, train, ContainsLabels=["rose"]) == ["rose2.jpg"]


async def test_an_update_from_another_bucket_fails(rekognition: Rekognition, train: str) -> None:
    described = await changed(rekognition, train, json.dumps({"source-ref": "s3://another-bucket/a.jpg"}))

    assert described["Status"] == "UPDATE_FAILED"
    assert described["StatusMessage"].startswith("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS: ")


async def test_a_data_set_that_is_being_changed_is_busy(
    rekognition: Rekognition, train: str, project: str, runtime: app.Runtime
) -> None:
    update_ = {"DatasetArn": train, "Changes": {"GroundTruth": b"{}"}}
    assert "InvalidParameterException" in await rekognition.fails(
        "update_dataset_entries", DatasetArn=train, Changes={"GroundTruth": b" \n"}
    )
    test = (await rekognition.create_dataset(ProjectArn=project, DatasetType="TEST"))["DatasetArn"]
    async with roles.arranging(runtime).begin() as session:
        await session.execute(update(tables.HostedDataset).values(status="CREATE_IN_PROGRESS"))

    assert "ResourceInUseException" in await rekognition.fails("update_dataset_entries", **update_)
    assert "ResourceInUseException" in await rekognition.fails("delete_dataset", DatasetArn=train)
    assert "ResourceNotReadyException" in await rekognition.fails("list_dataset_entries", DatasetArn=train)
    assert "ResourceNotReadyException" in await rekognition.fails("list_dataset_labels", DatasetArn=train)
    both = [{"Arn": train}, {"Arn": test}]
    assert "ResourceNotReadyException" in await rekognition.fails("distribute_dataset_entries", Datasets=both)
    other = (await rekognition.create_project(ProjectName="other"))["ProjectArn"]
    copy = {"ProjectArn": other, "DatasetType": "TRAIN", "DatasetSource": {"DatasetArn": train}}
    assert "InvalidParameterException" in await rekognition.fails("create_dataset", **copy)
