import re

import pytest

from strop import app, storage
from strop_contracts import tables
from tests import factories, judged, roles
from tests.integration.console.conftest import Ask

VERSION = "/console/projects/flowers/versions/first"


async def test_an_evaluation_shows_the_figures_and_the_worst_label_first(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    page = (await (await ask("ada")).get(VERSION)).text

    assert "<dt>F1</dt><dd>0.556</dd>" in page
    assert re.findall(r'<th scope="row" data-value="(\w+)"', page) == ["tulip", "rose", "daisy"]
    assert "<b>rose</b> taken for <b>tulip</b>" in page
    assert 'title="95 % interval 20.7 % to 100.0 %"' in page


async def test_an_evaluation_names_the_images_that_were_left_out(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    async with roles.arranging(runtime).begin() as session:
        row = await session.get_one(tables.Evaluation, ("flowers", 1, "base"))
        left_out = {"source": "s3://a/1.jpg", "label": "rose", "reason": "cut <off>"}
        row.metrics = judged.metrics(skipped=[{"sha256": "0" * 64, "part": "train", "origin": "base", **left_out}])

    page = (await (await ask("ada")).get(VERSION)).text

    assert "1 image cannot be used and was left out" in page
    assert "s3://a/1.jpg (rose): cut &lt;off&gt;" in page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("picture", ["confusion", "calibration"])
async def test_pictures_are_drawn_for_both_themes(ask: Ask, runtime: app.Runtime, picture: str, theme: str) -> None:
    await judged.arrange(runtime)

    answer = await (await ask("ada")).get(f"{VERSION}/base/{picture}.svg", params={"theme": theme})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"<svg" in answer.content


async def test_a_fleets_model_has_an_evaluation_on_field_images_and_one_on_its_base(
    ask: Ask, runtime: app.Runtime
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        model = await factories.make_model(session, 3, state="refused")
        model.reasons = ["can: right less often than v2"]
        for part in ("base", "field"):
            await judged.add_evaluation(runtime, session, judged.SHOTS, factories.PROJECT, 3, part)
    ada, version = await ask("ada"), f"/console/projects/{factories.PROJECT}/versions/v3"

    field, base = (await ada.get(version)).text, (await ada.get(version, params={"part": "base"})).text

    assert 'part=field" aria-current="page"' in field
    assert 'part=base" aria-current="page"' in base
    assert "Refused: can: right less often than v2" in field
    assert "Commands" not in field  # it is not hosted


async def test_a_part_without_images_is_left_out(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    async with roles.arranging(runtime).begin() as session:
        nothing = judged.metrics([], accuracy=None, answered=None)
        session.add(tables.Evaluation(project="flowers", model_version=1, part="field", metrics=nothing))

    page = (await (await ask("ada")).get(VERSION)).text

    assert "<dt>F1</dt><dd>0.556</dd>" in page
    assert "part=field" not in page


async def test_a_version_that_failed_shows_the_reason(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "flowers")
        why = {"status": "TRAINING_FAILED", "message": "There is one label only.", "output": {}}
        session.add(tables.ProjectVersion(project="flowers", name="first", **why))
    ada = await ask("ada")

    for path in (VERSION, f"{VERSION}/results"):
        assert "There is one label only." in (await ada.get(path)).text
    assert (await ada.get(VERSION, params={"part": "base"})).status_code == 404


async def test_a_version_in_training_shows_its_progress(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "flowers")
        progress = {"step": "features", "done": 3, "total": 8}
        run = tables.TrainingRun(project="flowers", state="running", trigger="order", manifest="key", progress=progress)
        session.add(run)
        await session.flush()
        row = {"status": "TRAINING_IN_PROGRESS", "run_id": run.id, "output": {}}
        session.add(tables.ProjectVersion(project="flowers", name="first", **row))

    assert "Features 3 of 8. The evaluation appears here" in (await (await ask("ada")).get(VERSION)).text


async def test_test_results_are_filtered_by_label_and_kind(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")

    async def shown(**wanted: str) -> list[str]:
        page = (await ada.get(f"{VERSION}/results", params=wanted)).text
        return re.findall(r"/thumbnails/flowers/(\w+)", page)

    names = [storage.digest(shot.body) for shot in judged.SHOTS]
    assert set(await shown()) == set(names)
    assert await shown(label="tulip", kind="fp") == [names[3]]
    assert await shown(label="tulip", kind="fn") == [names[5], names[4]]
    assert await shown(label="daisy", kind="fn") == []
    assert await shown(true="rose", predicted="tulip") == [names[3]]


async def test_a_test_result_without_an_answer_shows_the_reason(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    page = (await (await ask("ada")).get(f"{VERSION}/results", params={"kind": "fn"})).text

    assert "No answer: rejected as unknown" in page
    assert "No answer: below its threshold" in page
    assert "tulip <b>41.0 %</b>" in page
