"""The layout of the bucket, and that no other module makes keys of it."""

import ast
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from strop_contracts import keys, tables
from strop_wire import fields
from tests.conftest import ROOT

ID = UUID("01999c1e-54a0-7c3e-8a52-6f1d0c9b7e21")
FOLDERS = ("images", "raw_field_data", "labeled_field_data", "datasets", "models", "backbones")


def shot(**changes: str) -> tables.Capture:
    taken = datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    about = {"id": ID, "project": "p", "device": "line-1", "content_type": "image/jpeg", "label": "soda can"}
    return tables.Capture(**{**about, "captured_at": taken, "confidence": 0.567, **changes})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (keys.image("p", "ab"), "p/images/ab"),
        (keys.upload(shot()), f"p/raw_field_data/line-1/20260301T120000Z_soda_can_0.57_{ID}.jpg"),
        (keys.labeled(shot(), "N/A"), f"p/labeled_field_data/N%2FA/20260301T120000Z_soda_can_0.57_{ID}.jpg"),
        (keys.file_name(shot(content_type="image/png")), f"20260301T120000Z_soda_can_0.57_{ID}.png"),
        (keys.file_name(shot(label="größte/Dose")), f"20260301T120000Z_größte_Dose_0.57_{ID}.jpg"),
        (keys.file_name(shot(label="", device=keys.BY_HAND)), f"20260301T120000Z_by_hand_{ID}.jpg"),
        (keys.dataset("p", "base"), "p/datasets/base/"),
        (keys.manifest("p", 3), "p/datasets/versions/3/manifest.jsonl"),
        (keys.order("p", ID), f"p/datasets/orders/{ID}.jsonl"),
        (keys.change("p", ID), f"p/datasets/changes/{ID}.jsonl"),
        (keys.attempt("p", 3, 2), "p/models/v3/2"),
        (keys.outcomes("p/models/v3/2", "base"), "p/models/v3/2/outcomes-base.jsonl"),
        (keys.model_copy("p", ID, "head.onnx"), f"p/models/copies/{ID}/head.onnx"),
        (keys.backbone("p", "ab"), "p/backbones/ab.onnx"),
    ],
)
def test_a_key_is_where_the_layout_defines_it(key: str, expected: str) -> None:
    assert key == expected


@pytest.mark.parametrize("label", ["x" * 255, "水" * 255, "🥤" * 60])
def test_the_longest_label_leaves_room_in_a_key(label: str) -> None:
    key = keys.labeled(shot(label=label, project="p" * 63, device="d" * 63), fields.label(label))

    assert len(key.encode()) <= 1024
    assert len(key.rpartition("/")[2].encode()) <= 255


def test_no_other_module_makes_a_key() -> None:
    files = [each for part in ("shared", "services", "cli", "devstack", "edge") for each in (ROOT / part).rglob("*.py")]
    assert files

    elsewhere = [f"{each}:{line}" for each in files for line in made(each)]

    assert elsewhere == []


def made(file: Path) -> Iterator[int]:
    """The lines of f-strings such as `{project}/images/…`: a value, a slash, and a folder of the bucket."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.FormattedValue):
            following = node.values[1] if len(node.values) > 1 else None
            if isinstance(following, ast.Constant) and str(following.value).startswith(
                tuple(f"/{name}/" for name in FOLDERS)
            ):
                yield node.lineno
