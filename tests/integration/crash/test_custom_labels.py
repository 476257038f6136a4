"""custom-labels is killed when a change is carried out and not acknowledged: its message comes again and changes nothing."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from custom_labels.datasets import changes
from strop import app
from strop_contracts import states, tables
from tests import factories
from tests.integration.crash import victim

LINES = 3


async def order(runtime: app.Runtime) -> None:
    """A data set of a few images waits for its manifest, and its event for the relay."""
    store = runtime.storage.at(f"{runtime.storage.bucket}-theirs")
    await store._client.create_bucket(Bucket=store.bucket, **store._location())
    lines = []
    for seed in range(LINES):
        await store.put(f"{seed}.jpg", factories.picture(seed, (80, 64)))
        lines.append(f'{{"source-ref": "s3://{store.bucket}/{seed}.jpg"}}')
    await store.put("train.manifest", "\n".join(lines).encode())
    async with runtime.sessions.begin() as session:
        await factories.make_project(session, devices=())
        dataset = tables.HostedDataset(project=factories.PROJECT, kind="TRAIN", status="CREATE_IN_PROGRESS")
        session.add(dataset)
        await session.flush()
        await changes.order(
            session, dataset, states.ChangeKind.CREATE, {"bucket": store.bucket, "name": "train.manifest"}
        )


async def test_a_data_set_is_changed_once(
    runtime: app.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await victim.return_soon(runtime, monkeypatch, "custom-labels")
    quick = {"STROP_CUSTOM_LABELS_CACHE": str(tmp_path / "cache")}
    async with victim.killed(runtime, "custom_labels", "custom-labels:committed", tmp_path, **quick) as died:
        await order(runtime)
        await died.wait()
        await victim.drained(runtime, "custom-labels")

    async with runtime.sessions() as session:
        change = (await session.scalars(select(tables.HostedChange))).one()
        dataset = (await session.scalars(select(tables.HostedDataset))).one()
        entries = await session.scalar(select(func.count()).select_from(tables.HostedEntry))
    assert (dataset.status, change.attempts, entries) == ("CREATE_COMPLETE", 1, LINES)
