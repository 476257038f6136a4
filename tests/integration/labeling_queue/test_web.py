from datetime import UTC, datetime

from markupsafe import escape
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app
from strop_contracts import tables
from strop_wire import ids
from tests import factories, roles
from tests.integration.labeling_queue.conftest import Ask, Store


async def add_run(session: AsyncSession, state: str) -> tables.TrainingRun:
    run = tables.TrainingRun(id=ids.uuid7(), project=factories.PROJECT, state=state, trigger="labels")
    session.add(run)
    await session.flush()
    return run


async def test_the_front_page_shows_the_state_of_each_project(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    await store(1)
    await store(2)
    ada = await ask("ada")
    (task,) = (await ada.post(f"/api/projects/{factories.PROJECT}/tasks/next")).json()
    await ada.post(f"/api/tasks/{task['id']}/answer", json={"answer": "unclear"})
    async with roles.arranging(runtime).begin() as session:
        device = await session.get_one(tables.Device, (factories.PROJECT, factories.DEVICE))
        device.model = "v7"
        run = await add_run(session, "succeeded")
        made = {"state": "refused", "reasons": [], "labels": [], "files": {}, "dataset_version": 1}
        session.add(tables.ModelVersion(project=factories.PROJECT, version=8, run_id=run.id, **made))

    page = (await ada.get("/")).text

    assert "Label 1 image<" in page
    assert "v7 <small>on 1</small>" in page
    assert "v8 <small>refused</small>" in page
    assert "<span>ada</span>" in page


async def test_the_front_page_counts_from_the_persons_own_midnight(ask: Ask, store: Store) -> None:
    await store()
    ada = await ask("ada")
    (task,) = (await ada.post(f"/api/projects/{factories.PROJECT}/tasks/next")).json()
    await ada.post(f"/api/tasks/{task['id']}/answer", json={"answer": "unclear"})

    today, tomorrow = (
        await ada.get("/"),
        await ada.get("/", params={"since": datetime(2999, 1, 1, tzinfo=UTC).isoformat()}),
    )

    assert "<span>ada</span>" in today.text
    assert "<span>ada</span>" not in tomorrow.text


async def test_a_training_that_runs_is_shown(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await add_run(session, "running")

    assert "<small>running</small>" in (await (await ask("ada")).get("/")).text


async def test_the_reason_of_a_failed_training_is_short_and_expands(
    ask: Ask, store: Store, runtime: app.Runtime
) -> None:
    why = "WrongImage: " + "the image is <b>not</b> what it was; " * 10
    async with roles.arranging(runtime).begin() as session:
        (await add_run(session, "failed")).error = why

    page = (await (await ask("ada")).get("/")).text

    assert "<summary>The latest training failed: WrongImage: the image is &lt;b&gt;not&lt;/b&gt;" in page
    assert f"<p>{escape(why)}</p>" in page


async def test_a_short_reason_of_a_failed_training_is_shown_whole(ask: Ask, store: Store, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        (await add_run(session, "failed")).error = "import a base set first"

    page = (await (await ask("ada")).get("/")).text

    assert "The latest training failed: import a base set first</p>" in page
    assert "<details" not in page


async def test_the_front_page_without_a_project_shows_how_to_create_one(ask: Ask) -> None:
    assert "strop projects create" in (await (await ask("ada")).get("/")).text


async def test_the_page_of_an_unknown_project_is_not_found(ask: Ask) -> None:
    page = await (await ask("ada")).get("/label/nowhere")

    assert page.status_code == 404
    assert "There is no project" in page.text


async def test_pages_run_no_foreign_script_and_stay_out_of_frames(ask: Ask, store: Store) -> None:
    page = await (await ask("ada")).get(f"/label/{factories.PROJECT}")

    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_scripts_and_styles_are_served_and_nothing_beside_them(ask: Ask) -> None:
    anybody = await ask("ada")

    script = await anybody.get("/label/static/label.js")
    assert "javascript" in script.headers["content-type"]
    assert script.headers["cache-control"] == "no-cache"
    assert (await anybody.get("/label/static/%2e%2e/rules.py")).status_code == 404
    assert (await anybody.get("/label/static/none.js")).status_code == 404
