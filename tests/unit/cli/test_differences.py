"""What `strop datasets check` makes of the bucket's keys, and in which words."""

import json
from datetime import UTC, datetime

from ingest import object_changes
from ingest.sources import s3
from strop_cli import differences
from strop_contracts import tables
from trainer import datasets

BASE = "p/datasets/base"
CAT, DOG = f"{BASE}/train/cat/1.jpg", f"{BASE}/train/dog/1.jpg"


def row(key: str, **columns: str) -> tables.DatasetItem:
    return tables.DatasetItem(project="p", key=key, dataset="base", split="train", label="cat", **columns)


def test_keys_are_sorted_by_what_ingest_makes_of_them() -> None:
    found = differences.read(
        [
            CAT,
            f"{BASE}/train/.git/x",
            f"{BASE}/train/1.jpg",
            f"{BASE}/test/cat/1.jpg",
            "p/datasets/versions/1/manifest.jsonl",
        ]
    )

    assert found.images == {CAT}
    assert dict(found.unused) == {
        f"{BASE}/train/.git/x": "hidden",
        f"{BASE}/train/1.jpg": "the file lies in no folder of a device or label",
        f"{BASE}/test/cat/1.jpg": "not below train/LABEL/ or valid/LABEL/",
    }


def test_everything_amiss_has_a_line() -> None:
    rows = [row(CAT, sha256="0"), row(f"{BASE}/train/cat/2.jpg", refused="empty")]
    conflicts = [datasets.Conflict("0", "cat", (DOG, CAT))] * 11
    files = differences.Files(frozenset({rows[1].key, DOG}), {f"{BASE}/.git": "hidden"})

    told = differences.lines(differences.Checked(rows, conflicts, files))

    assert told[:2] == [
        f"refused {BASE}/train/cat/2.jpg: empty",
        f"label conflict: {CAT} counts as 'cat', the newest place; the same image is also {DOG}",
    ]
    assert told[-4:] == [
        "and 1 more label conflicts",
        f"1 left out, hidden: {BASE}/.git",
        f"gone from the bucket, to be forgotten: {CAT}",
        f"not looked at yet: {DOG}",
    ]


def test_a_notification_is_one_that_ingest_reads() -> None:
    key = f"{BASE}/train/Katze ä+/1.jpg"

    (body,) = differences.notifications("ObjectRemoved:Delete", [key])

    found = s3.S3Source.read(json.loads(body))
    assert isinstance(found, object_changes.ObjectsChanged)
    assert found.objects == ((key, ""),)
    assert found.at <= datetime.now(UTC)
