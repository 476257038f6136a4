"""Amazon resource names. They are derived from rows, never stored: the last part is the row's `at` in milliseconds.

`arn:aws:rekognition:{region}:{account}:project/{project}/{ms}`, `…/dataset/{train|test}/{ms}`, `…/version/{name}/{ms}`.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from custom_labels.settings import Settings
from strop_contracts import tables

_FORM = re.compile(
    r"project/(?P<project>[a-zA-Z0-9_.\-]{1,255})"
    r"(/(?P<kind>version|dataset)/(?P<name>[a-zA-Z0-9_.\-]{1,255}))?/(?P<ms>[0-9]{1,18})"
)


@dataclass(frozen=True, slots=True)
class Arn:
    """What an ARN of this account names. Kind: "project", "version" or "dataset"."""

    kind: str
    project: str
    name: str  # of the version; "train" or "test" of a data set; the project's own name again
    ms: int

    def fits(self, at: datetime) -> bool:
        """Tell whether the row of this time is the one that is meant, not a later one of the same name."""
        return milliseconds(at) == self.ms


def milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def project(settings: Settings, row: tables.Project) -> str:
    return f"{_prefix(settings)}project/{row.name}/{milliseconds(row.at)}"


def dataset(settings: Settings, row: tables.HostedDataset) -> str:
    return f"{_prefix(settings)}project/{row.project}/dataset/{row.kind.lower()}/{milliseconds(row.at)}"


def version(settings: Settings, row: tables.ProjectVersion) -> str:
    return f"{_prefix(settings)}project/{row.project}/version/{row.name}/{milliseconds(row.at)}"


def parse(settings: Settings, text: str) -> Arn | None:
    """Read an ARN; None when it names nothing that could be here."""
    prefix = _prefix(settings)
    found = _FORM.fullmatch(text[len(prefix) :]) if text.startswith(prefix) else None
    if found is None:
        return None
    return Arn(found["kind"] or "project", found["project"], found["name"] or found["project"], int(found["ms"]))


def _prefix(settings: Settings) -> str:
    return f"arn:aws:rekognition:{settings.region}:{settings.account}:"
