"""`strop datasets check`: what a project's base sets hold, and where that differs from the files in the bucket."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from sqlalchemy import select

from console import autolabel
from ingest import places
from strop import app, sqs
from strop_cli import projects, tree
from strop_contracts import errors, keys, tables
from strop_wire import hidden
from trainer import datasets

_NAMED = 10  # lines of a kind that are shown


@dataclass(frozen=True)
class Files:
    """The files below a project's `datasets/`, sorted by what ingest makes of them."""

    images: frozenset[str]
    unused: Mapping[str, str]  # key -> why


@dataclass(frozen=True)
class Checked:
    rows: Sequence[tables.DatasetItem]
    conflicts: Sequence[datasets.Conflict]
    files: Files

    @property
    def gone(self) -> list[str]:
        """Keys that ingest has in its rows and the bucket has not."""
        return sorted({row.key for row in self.rows} - self.files.images)

    @property
    def unseen(self) -> list[str]:
        """Keys that the bucket has and ingest has no row for."""
        return sorted(self.files.images - {row.key for row in self.rows})


async def check(runtime: app.Runtime, project: str) -> Checked:
    """Compare rows and bucket, and have ingest look at every difference again."""
    async with runtime.sessions() as session:
        await projects.require(session, project)
        rows = (await session.scalars(select(tables.DatasetItem).where(tables.DatasetItem.project == project))).all()
        conflicts = await datasets.conflicts(session, project)
    found = Checked(
        rows, conflicts, read([key async for key in runtime.storage.keys(keys.below(project, keys.DATASETS))])
    )
    again = [*notifications("ObjectRemoved:Delete", found.gone), *notifications("ObjectCreated:Put", found.unseen)]
    if again:
        await runtime.queues.send("ingest", [sqs.Outgoing(body) for body in again])
    return found


def read(keys: Iterable[str]) -> Files:
    """Sort keys below `datasets/` by what ingest makes of them; the manifests of dataset versions are none of its files."""
    images, unused = set(), {}
    for key in keys:
        try:
            place = places.read(key)
        except errors.InvalidMessage as error:
            unused[key] = str(error).removeprefix(f"{key}: ")
            continue
        if isinstance(place, places.DatasetImage):
            images.add(key)
        elif places.is_hidden(key):
            unused[key] = hidden.REASON
        elif key.lower().endswith((*autolabel.TYPES, ".webp")):
            unused[key] = "not below train/LABEL/ or valid/LABEL/"
    return Files(frozenset(images), unused)


def notifications(name: str, keys: Iterable[str]) -> list[str]:
    """Write S3's notification of an event for each key."""
    return [
        json.dumps({"Records": [{"eventName": name, "s3": {"object": {"key": quote_plus(key, safe="/")}}}]})
        for key in keys
    ]


def words(found: Checked) -> Group:
    """What the base sets hold, and everything that is amiss, a line each."""
    table = Table("data set", "split", "label", "images")
    counts = Counter((row.dataset, row.split, row.label) for row in found.rows if row.sha256)
    for (dataset, split, label), images in sorted(counts.items()):
        table.add_row(dataset, split, escape(label), str(images))
    named = map(escape, lines(found))
    if not counts:
        return Group(
            "no base images (the data sets of a Custom Labels project are in the console and in its API)", *named
        )
    return Group(table, *named)


def lines(found: Checked) -> list[str]:
    """Name what is refused, of several labels, not used, or different in the bucket."""
    return [
        *_some([f"refused {row.key}: {row.refused}" for row in found.rows if row.refused], "refused"),
        *label_conflicts(found.conflicts),
        *tree.left_out(found.files.unused),
        *_some([f"gone from the bucket, to be forgotten: {key}" for key in found.gone], "gone"),
        *_some([f"not looked at yet: {key}" for key in found.unseen], "not looked at yet"),
    ]


def label_conflicts(conflicts: Sequence[object]) -> list[str]:
    return _some([f"label conflict: {each}" for each in conflicts], "label conflicts")


def _some(told: list[str], what: str) -> list[str]:
    more = [f"and {len(told) - _NAMED} more {what}"] if len(told) > _NAMED else []
    return [*told[:_NAMED], *more]
