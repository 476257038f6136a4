from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from labeling_queue import __main__ as labeling_queue
from strop import app
from strop.settings import Settings
from strop_contracts import tables
from tests import browser as browsers
from tests import factories
from tests.e2e import visits
from tests.e2e.labeling import Place


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsers.chromium() as opened:
        yield opened


@pytest.fixture
async def place(runtime: app.Runtime, settings: Settings) -> AsyncIterator[Place]:
    """The service on a port of its own, with a project that has two labels."""
    async with runtime.sessions.begin() as session:
        await factories.make_project(session)
        for label in ("can", "mug"):
            item = {"dataset": "base", "split": "train", "label": label, "sha256": "0"}
            session.add(tables.DatasetItem(project=factories.PROJECT, key=label, **item))
    async with visits.serving(settings, {labeling_queue.NAME: labeling_queue.build}, visits.free_port()) as url:
        yield Place(url, runtime)
