import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from strop import app
from strop_contracts import tables
from strop_contracts.states import Role
from tests import judged, roles
from tests.integration.strop_web.conftest import Ask


@contextmanager
def statements(runtime: app.Runtime) -> Iterator[list[str]]:
    """Collect the statements that the service sends."""
    engine, sent = runtime.sessions.kw["bind"].sync_engine, []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


async def test_home_shows_the_state_of_a_project(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime, status="RUNNING")
    async with roles.arranging(runtime).begin() as session:
        await judged.add_evaluation(runtime, session, judged.SHOTS[:1], judged.PROJECT, 2)
        await judged.add_evaluation(runtime, session, judged.SHOTS[:4], judged.PROJECT, 2, "field")
        await judged.add_evaluation(runtime, session, (), judged.PROJECT, 3)
        session.add(tables.Device(project=judged.PROJECT, name="line-01", model="v2"))
        session.add(tables.Device(project=judged.PROJECT, name="line-02"))
        refused = {"dataset": "base", "split": "train", "label": "rose", "key": "bad.jpg", "refused": "not an image"}
        session.add(tables.DatasetItem(project=judged.PROJECT, **refused))

    page = (await (await ask()).get("/")).text

    assert "75.0 % <small>v2 on field images</small>" in page  # of field images, of the newest version with test images
    assert "v2 <small>on 1</small>" in page
    assert "first <small>hosted</small>" in page
    assert "<dt>Devices</dt><dd>2</dd>" in page
    assert re.search("<dt>Images</dt><dd>(<a [^>]*>)?6<", page)


async def test_a_labeler_sees_own_projects_and_no_link_that_the_role_does_not_open(
    ask: Ask, runtime: app.Runtime
) -> None:
    await judged.arrange(runtime)
    await judged.arrange(runtime, project="not-mine")

    page = (await (await ask(together=True, role=Role.LABELER, project=judged.PROJECT)).get("/")).text

    assert f"/label/{judged.PROJECT}" in page
    assert not [each for each in ("not-mine", "/console/", "/dead-letters") if each in page]


async def test_home_sends_as_many_statements_for_many_projects(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    counts = []
    async with await ask() as ada:
        for more in range(2):
            with statements(runtime) as sent:
                assert (await ada.get("/")).status_code == 200
            counts.append(len(sent))
            for number in range(3 * (1 - more)):
                await judged.arrange(runtime, project=f"other-{number}")

    assert counts[0] == counts[1]


async def test_home_links_to_both_services_by_path_in_one_process(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    page = (await (await ask(together=True)).get("/")).text

    assert 'href="/label/flowers"' in page
    assert 'href="/console/projects/flowers"' in page
    assert 'href="/dead-letters"' in page


async def test_home_links_to_the_public_urls_of_other_processes(
    ask: Ask, runtime: app.Runtime, runs_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await judged.arrange(runtime)
    monkeypatch.setenv("STROP_LABELING_QUEUE_URL", "https://labels.example/")
    monkeypatch.setenv("STROP_CONSOLE_URL", ":8002")
    expected = {
        "labeling-queue": ('"/label/flowers"', '"http://strop:8002/console/projects/flowers"'),
        "console": ('"https://labels.example/label/flowers"', '"/console/projects/flowers"'),
    }

    page = (await (await ask()).get("/")).text

    assert all(f"href={link}" in page for link in expected[runs_as])


async def test_home_has_no_link_to_a_service_without_an_address(ask: Ask, runtime: app.Runtime, runs_as: str) -> None:
    await judged.arrange(runtime)
    page = (await (await ask()).get("/")).text

    assert ("/label/flowers" in page) == (runs_as == "labeling-queue")
    assert ("/console/projects/flowers" in page) == (runs_as == "console")


async def test_models_page_sends_as_many_statements_for_many_versions(
    ask: Ask, runtime: app.Runtime, runs_as: str
) -> None:
    await judged.arrange(runtime)
    counts = []
    async with await ask(together=True) as ada:
        for more in range(2):
            with statements(runtime) as sent:
                await ada.get("/console/projects/flowers/models" if runs_as == "console" else "/label/flowers")
            counts.append(len(sent))
            async with roles.arranging(runtime).begin() as session:
                for number in range(10 * more, 10 * more + 10):
                    row = {"status": "TRAINING_COMPLETED", "name": f"n{number}", "output": {}}
                    session.add(tables.ProjectVersion(project="flowers", **row))

    assert counts[0] == counts[1]
