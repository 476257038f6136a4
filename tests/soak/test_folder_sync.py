"""Thousands of files that a person labels by folder and uploads with one command."""

import time

import pytest
from sqlalchemy import func, select

from strop_contracts import keys, tables
from tests import roles, wait
from tests.integration.folders.conftest import LABELS, Person, Write, person, write

__all__ = ["person", "write"]  # fixtures

FILES = 1000

pytestmark = pytest.mark.timeout(1800)


async def test_thousands_of_files_in_one_sync_are_labels(
    person: Person, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "PATIENCE", 1500)
    for seed in range(FILES):
        write(f"tree/{LABELS[seed % len(LABELS)]}/day {seed // 200}/{seed}.jpg", seed)

    began = time.monotonic()
    await person.aws("sync tree BUCKET/labeled_field_data")
    copied = time.monotonic() - began

    async def done() -> bool:
        return len(await person.labels()) == FILES and await person.settled()

    await wait.until(done)
    print(f"{FILES} files: synchronised in {copied:.0f} s, labelled {time.monotonic() - began:.0f} s after the start")
    async with roles.arranging(person.runtime)() as session:
        counted = dict((await session.execute(select(tables.GroundTruth.label, func.count()).group_by("label"))).all())
        assert await session.scalar(select(func.count()).select_from(tables.DeadLetter)) == 0
    assert sum(counted.values()) == FILES
    assert counted == {label: len(range(number, FILES, len(LABELS))) for number, label in enumerate(LABELS)}
    assert await person.runtime.queues.depth("ingest-dlq") == 0
    files = await person.places(keys.LABELED)
    assert len(files) == FILES
    assert all(file.count("/") == 1 for file in files)
