"""The journey of a capture: its document, and its page."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import update

from console import trace
from strop import app
from strop_contracts import control_trace, documents, errors, keys, tables
from strop_contracts.states import Role
from strop_wire import ids
from tests import factories, roles, users
from tests.integration.console.conftest import Ask


@pytest.fixture
async def capture(runtime: app.Runtime) -> tables.Capture:
    """A labelled audit, which was answered twice; v1 learned from it, and two devices run v1."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, devices=("line-1", "line-2", "line-3"))
        await session.execute(update(tables.Device).where(tables.Device.name != "line-3").values(model="v1"))
        made = await factories.make_capture(session, factories.picture(1), audit=True)
        await factories.make_image(session, made)
        about = {"capture_id": made.id, "project": made.project, "device": made.device, "sha256": made.sha256}
        session.add(tables.Route(
            capture_id=made.id, project=made.project, device=made.device,
            upload=True, reason="audit", probability=0.05, policy=3,
        ))  # fmt: skip
        session.add(tables.Upload(capture_id=made.id, state="stored", stored_at=datetime.now(UTC)))
        session.add(task := tables.LabelTask(**about, state="done", priority=0))
        await session.flush()
        answer = {"project": made.project, "task_id": task.id, "answer": "label", "source": "page"}
        early = datetime.now(UTC) - timedelta(hours=2)
        session.add(tables.Annotation(**answer, author="bo", label="can", at=early, undone_at=early))
        session.add(tables.Annotation(**answer, author="ada", label="mug", at=early + timedelta(minutes=1)))
        session.add(tables.GroundTruth(**about, label="mug", author="ada", at=early + timedelta(minutes=1)))
        await factories.make_model(session, 1)
    return made


async def add_dataset(runtime: app.Runtime, version: int, *items: documents.Item, hours: float = 1) -> None:
    """Add a dataset version, made so many hours ago."""
    key = keys.manifest(factories.PROJECT, version)
    await runtime.storage.put(key, documents.lines(items), "application/jsonl")
    at = datetime.now(UTC) - timedelta(hours=hours)
    row = {"project": factories.PROJECT, "version": version, "key": key, "sha256": "0", "counts": {}, "at": at}
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.DatasetVersion(**row))


def items(*shas: str, part: str = "train") -> Sequence[documents.Item]:
    about = {"label": "mug", "part": part, "origin": "field", "group": "line-1"}
    return [documents.Item.model_validate({"sha256": sha, **about}) for sha in shas]


async def test_the_journey_leads_from_the_device_to_the_devices_that_run_the_model(
    runtime: app.Runtime, capture: tables.Capture
) -> None:
    await add_dataset(runtime, 1, *items("0" * 64, capture.sha256, "1" * 64))
    await add_dataset(runtime, 2, *items("0" * 64))

    found = await trace.trace(runtime, capture.project, capture.id)

    assert (found.device, found.audit, found.predictions[0].label) == ("line-1", True, "can")
    assert found.route
    assert (found.route.reason, found.route.probability) == ("audit", 0.05)
    assert found.upload
    assert found.upload.state == "stored"
    assert [(each.author, bool(each.undone_at)) for each in found.answers] == [("bo", True), ("ada", False)]
    assert found.truth
    assert (found.truth.label, found.truth.author) == ("mug", "ada")
    (dataset,) = found.datasets
    assert (dataset.version, dataset.part, dataset.label) == (1, "train", "mug")
    assert [(model.version, model.devices) for model in dataset.models] == [(1, 2)]


async def test_dataset_versions_before_the_label_are_not_searched(
    runtime: app.Runtime, capture: tables.Capture
) -> None:
    await add_dataset(runtime, 1, *items(capture.sha256), hours=3)

    assert (await trace.trace(runtime, capture.project, capture.id)).datasets == []


async def test_the_number_of_searched_dataset_versions_is_limited(
    runtime: app.Runtime, capture: tables.Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "MANIFESTS", 1)
    for version in (1, 2, 3):
        await add_dataset(runtime, version, *items(capture.sha256, part="golden"))

    found = await trace.trace(runtime, capture.project, capture.id)

    assert ([each.version for each in found.datasets], found.unsearched) == ([3], 2)


async def test_a_manifest_that_is_gone_contains_nothing(runtime: app.Runtime, capture: tables.Capture) -> None:
    await add_dataset(runtime, 1, *items(capture.sha256))
    await runtime.storage.delete(keys.manifest(factories.PROJECT, 1))

    assert (await trace.trace(runtime, capture.project, capture.id)).datasets == []


async def test_a_capture_that_was_only_announced_has_no_later_steps(runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        made = await factories.make_capture(session, factories.picture(1))

    found = await trace.trace(runtime, made.project, made.id)

    assert (found.route, found.upload, found.task, found.truth, found.answers, found.datasets) == (
        *(None, None, None, None),
        *([], []),
    )


async def test_a_capture_of_another_project_is_not_found(runtime: app.Runtime, capture: tables.Capture) -> None:
    with pytest.raises(errors.NotFound):
        await trace.trace(runtime, "other", capture.id)


async def test_page_and_control_route_show_the_same_journey(
    ask: Ask, runtime: app.Runtime, capture: tables.Capture
) -> None:
    await add_dataset(runtime, 1, *items(capture.sha256))
    ada = await ask("ada")

    page = (await ada.get(f"/console/projects/{capture.project}/captures/{capture.id}")).raise_for_status().text
    answer = await ada.get(f"/api/control/console/captures/{capture.id}")

    assert control_trace.Trace.model_validate_json(answer.content).datasets[0].models[0].devices == 2
    assert "with probability <b>5 %</b> in all" in page.replace("5.0", "5")
    assert "the prediction was wrong" in page
    assert "on 2 devices" in page


async def test_a_reviewer_of_another_project_gets_no_journey(
    runtime: app.Runtime, capture: tables.Capture, ask: Ask
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "other", devices=())
    async with runtime.sessions.begin() as session:
        token = await users.token(session, "bo", "api", role=Role.REVIEWER, project="other")
    bo = await ask("ada")
    bo.headers["Authorization"] = f"Bearer {token}"

    assert (await bo.get(f"/api/control/console/captures/{capture.id}")).status_code == 403
    assert (await bo.get(f"/api/control/console/captures/{ids.uuid7()}")).status_code == 404


async def test_an_unknown_id_is_a_page_of_its_own(ask: Ask, runtime: app.Runtime, capture: tables.Capture) -> None:
    answer: httpx.Response = await (await ask("ada")).get(f"/console/projects/{capture.project}/captures/{ids.uuid7()}")

    assert answer.status_code == 404
