"""Waiting for ingest while base images are removed."""

import asyncio

import pytest
from sqlalchemy import delete, insert, true

from strop import app
from strop_cli import datasets
from strop_contracts import errors, tables
from tests import factories

KEYS = [f"{factories.PROJECT}/datasets/base/train/can/{number}.jpg" for number in range(40_000)]
"""More than a statement of PostgreSQL takes parameters."""


@pytest.fixture
async def rows(runtime: app.Runtime) -> None:
    item = {"project": factories.PROJECT, "dataset": "base", "split": "train", "label": "can", "refused": "cut off"}
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        await session.execute(insert(tables.DatasetItem), [{**item, "key": key} for key in KEYS])


async def forget(runtime: app.Runtime, *keys: str) -> None:
    async with runtime.sessions.begin() as session:
        chosen = tables.DatasetItem.key.in_(keys) if keys else true()
        await session.execute(delete(tables.DatasetItem).where(chosen))


@pytest.mark.usefixtures("rows")
async def test_any_number_of_removed_images_is_waited_for(runtime: app.Runtime) -> None:
    waiting = asyncio.create_task(datasets.followed(runtime, factories.PROJECT, "base", KEYS))
    await forget(runtime)

    await waiting


@pytest.mark.usefixtures("rows")
async def test_removed_images_that_keep_their_rows_are_an_error(runtime: app.Runtime) -> None:
    with pytest.raises(errors.StropError, match="2 images were removed, but not followed for 0 s: is ingest running"):
        await datasets.followed(runtime, factories.PROJECT, "base", KEYS[:2], patience=0)
