"""Rows of base images compared with the keys of the bucket."""

import json
from datetime import UTC, datetime

from ingest import dataset_check, object_changes
from ingest.sources import s3
from strop_contracts import tables

BASE = "p/datasets/base"
CAT, DOG = f"{BASE}/train/Katze ä+/1.jpg", f"{BASE}/train/dog/1.jpg"


def row(key: str, **columns: str) -> tables.DatasetItem:
    return tables.DatasetItem(project="p", key=key, dataset="base", split="train", label="cat", **columns)


def test_keys_are_base_images_or_unused_for_a_reason() -> None:
    hidden, unlabelled, other = f"{BASE}/train/.git/x", f"{BASE}/train/1.jpg", f"{BASE}/test/cat/1.jpg"

    files = dataset_check.read([CAT, hidden, unlabelled, other, "p/datasets/versions/1/manifest.jsonl"])

    assert files.images == {CAT}
    assert files.unused == {
        "hidden": [hidden],
        "the file lies in no folder of a label": [unlabelled],
        "not below train/LABEL/ or valid/LABEL/": [other],
    }


def test_differences_in_both_directions_are_in_the_document() -> None:
    rows = [row(CAT, sha256="0"), row(f"{BASE}/train/cat/2.jpg", refused="empty")]

    document = dataset_check.Compared(rows, dataset_check.Files(frozenset({rows[1].key, DOG}), {})).document()

    assert [(each.split, each.label, each.images) for each in document.counts] == [("train", "cat", 1)]
    assert document.refused.first == [f"{BASE}/train/cat/2.jpg: empty"]
    assert (document.gone.first, document.unseen.first) == ([CAT], [DOG])


def test_a_notification_is_one_that_ingest_reads() -> None:
    (body,) = dataset_check.Compared([row(CAT)], dataset_check.Files(frozenset(), {})).notifications()

    read = s3.S3Source.read(json.loads(body))
    assert isinstance(read, object_changes.ObjectsChanged)
    assert read.objects == ((CAT, ""),)
    assert read.at <= datetime.now(UTC)


def test_a_sample_has_the_number_of_all_lines() -> None:
    keys = [f"{BASE}/train/cat/{number:02}.jpg" for number in range(12)]

    document = dataset_check.Compared([], dataset_check.Files(frozenset(keys), {})).document()

    assert (document.unseen.total, document.unseen.first) == (12, keys[: dataset_check.SHOWN])
