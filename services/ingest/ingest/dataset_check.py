"""Compare the rows of base images with the bucket. Pure."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from ingest import object_keys
from strop_contracts import control, errors, tables
from strop_wire import hidden

SHOWN = 10
"""Lines of a kind that a response names."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Files:
    """The objects below a project's `datasets/`."""

    images: frozenset[str]  # keys of base images
    unused: Mapping[str, Sequence[str]]  # other keys, by the reason; no manifests of dataset versions


@dataclass(frozen=True)
class Compared:
    rows: Sequence[tables.DatasetItem]
    files: Files

    @property
    def gone(self) -> list[str]:
        """Keys with a row and without an object."""
        return sorted({row.key for row in self.rows} - self.files.images)

    @property
    def unseen(self) -> list[str]:
        """Keys with an object and without a row."""
        return sorted(self.files.images - {row.key for row in self.rows})

    def notifications(self) -> list[str]:
        """Return S3 notifications for all differences, which repeat those that were lost."""
        return [
            *(_notification("ObjectRemoved:Delete", key) for key in self.gone),
            *(_notification("ObjectCreated:Put", key) for key in self.unseen),
        ]

    def document(self) -> control.BaseImages:
        counts = Counter((row.dataset, row.split, row.label) for row in self.rows if row.sha256)
        names = ("dataset", "split", "label", "images")
        return control.BaseImages(
            counts=[
                control.LabelCount(**dict(zip(names, (*key, n), strict=True))) for key, n in sorted(counts.items())
            ],
            refused=_sample([f"{row.key}: {row.refused}" for row in self.rows if row.refused]),
            unused={reason: _sample(keys) for reason, keys in sorted(self.files.unused.items())},
            gone=_sample(self.gone),
            unseen=_sample(self.unseen),
        )


def read(keys: Iterable[str]) -> Files:
    """Sort keys below `datasets/`: base images, and other files by the reason why they are no base images."""
    images, unused = set(), dict[str, list[str]]()
    for key in keys:
        try:
            named = object_keys.parse(key)
        except errors.InvalidMessage as error:
            unused.setdefault(str(error).removeprefix(f"{key}: "), []).append(key)
            continue
        if isinstance(named, object_keys.DatasetImage):
            images.add(key)
        elif object_keys.is_hidden(key):
            unused.setdefault(hidden.REASON, []).append(key)
        elif key.lower().endswith(SUFFIXES):
            unused.setdefault("not below train/LABEL/ or valid/LABEL/", []).append(key)
    return Files(frozenset(images), unused)


def _sample(lines: Collection[str]) -> control.Sample:
    return control.Sample(total=len(lines), first=sorted(lines)[:SHOWN])


def _notification(event: str, key: str) -> str:
    return json.dumps({"Records": [{"eventName": event, "s3": {"object": {"key": quote_plus(key, safe="/")}}}]})
