"""ARNs are derived from rows, and find back to them."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_labels.api import arns
from custom_labels.settings import Settings
from strop_contracts import tables

AT = datetime(2026, 11, 22, 8, 0, 0, 123999, tzinfo=UTC)
OWN = Settings(region="eu-west-1", account="210987654321")
PREFIX = "arn:aws:rekognition:eu-west-1:210987654321:project/flowers"


def test_each_kind_is_written_and_read() -> None:
    project = tables.Project(name="flowers", at=AT)
    dataset = tables.HostedDataset(project="flowers", kind="TRAIN", at=AT)
    version = tables.ProjectVersion(project="flowers", name="version", at=AT)

    for written, form, kind, name in (
        (arns.project(OWN, project), f"{PREFIX}/1795334400123", "project", "flowers"),
        (arns.dataset(OWN, dataset), f"{PREFIX}/dataset/train/1795334400123", "dataset", "train"),
        (arns.version(OWN, version), f"{PREFIX}/version/version/1795334400123", "version", "version"),
    ):
        assert written == form
        assert arns.parse(OWN, written) == arns.Arn(kind, "flowers", name, 1795334400123)


def test_a_later_row_of_the_same_name_is_another_one() -> None:
    arn = arns.parse(OWN, f"{PREFIX}/1795334400123")

    assert arn is not None
    assert arn.fits(AT)
    assert not arn.fits(AT + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        f"{PREFIX}/1795334400123/x",
        f"{PREFIX}/dataset/1795334400123",
        f"{PREFIX}/thing/a/1795334400123",
        f"{PREFIX}/{'9' * 1000}",
        f"{PREFIX}/\u0661",
        f"{PREFIX}/1\n",
        PREFIX.replace("eu-west-1", "us-east-1") + "/1",
        PREFIX.replace("210987654321", "123456789012") + "/1",
    ],
)
def test_what_is_not_of_this_account_names_nothing(text: str) -> None:
    assert arns.parse(OWN, text) is None
