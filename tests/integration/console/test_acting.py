"""The buttons: through the Custom Labels API, which runs beside."""

import httpx
import pytest
from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import factories, judged, roles, wait
from tests.integration.console.conftest import Ask

PROJECT = "/console/projects/flowers"
VERSION = f"{PROJECT}/versions/first"


async def version(runtime: app.Runtime, name: str = "first") -> tables.ProjectVersion:
    async with roles.arranging(runtime)() as session:
        found = select(tables.ProjectVersion).where(tables.ProjectVersion.name == name)
        return (await session.scalars(found)).one()


async def test_a_project_lists_its_versions_with_the_buttons_that_fit(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    async with roles.arranging(runtime).begin() as session:
        more = {"RUNNING": "second", "TRAINING_FAILED": "third", "STARTING": "fourth"}
        for status, name in more.items():
            row = {"status": status, "name": name, "output": {}, "message": f"about {name}"}
            session.add(tables.ProjectVersion(project="flowers", **row))
        run = tables.TrainingRun(project="flowers", state="requested", trigger="labels")
        session.add(run)

    page = (await (await ask("ada")).get(f"{PROJECT}/models")).text

    assert page.count("/start") == 1
    assert page.count("/stop") == 1
    assert "versions/second/stop" in page
    assert "about third" in page
    assert "waiting for a trainer" in page


async def test_start_takes_units_and_what_the_api_answers_is_what_happens(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await judged.arrange(runtime)

    answer = await served.post(f"{VERSION}/start", data={"units": 2, "most": 3})

    assert answer.status_code == 303
    found = await version(runtime)
    assert found.status in {"STARTING", "RUNNING", "FAILED"}
    assert (found.min_units, found.max_units) == (2, 3)


async def test_an_error_of_the_api_is_shown_on_the_page(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    stopped = await served.post(f"{VERSION}/stop")
    trained = await served.post(f"{PROJECT}/train", data={"version": "first"})

    assert stopped.status_code == 409
    assert "first was not stopped." in stopped.text
    assert trained.status_code == 409
    assert 'role="alert"' in trained.text


async def test_training_is_ordered_by_a_name(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "flowers", devices=())
        for seed, kind in ((20, "TRAIN"), (30, "TEST")):
            images = [(factories.picture(seed + n), [label]) for n, label in enumerate(("rose", "rose", "iris"))]
            await judged.add_dataset(runtime, session, "flowers", kind, images)

    answer = await served.post(f"{PROJECT}/train", data={"version": "second"})

    assert answer.status_code == 303
    assert (await version(runtime, "second")).status == "TRAINING_IN_PROGRESS"
    assert ">Training</span>" in (await served.get(f"{PROJECT}/models")).text


async def test_a_folder_becomes_a_project_with_a_data_set(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    bucket = runtime.storage.bucket
    for number, folder in enumerate(("1", "1", "2")):
        await runtime.storage.put(f"garden/{folder}/{number}.jpg", factories.picture(number, (80, 80)), "image/jpeg")
    form = {
        "project": "garden",
        "kind": "TRAIN",
        "place": f"s3://{bucket}/garden",
        "names": '{"1": "rose", "2": "iris"}',
    }

    answer = await served.post("/console/import", data=form)

    assert answer.headers["location"] == "/console/projects/garden/data/train"

    async def complete() -> bool:
        page = (await served.get("/console/projects/garden/data/train")).text
        return "<span>rose</span><b>2</b>" in page and "<span>iris</span><b>1</b>" in page

    await wait.until(complete)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"place": "garden/train"}, "not a place in S3"),
        ({"place": "s3://BUCKET/nothing/"}, "has no JPEG or PNG images"),
        ({"place": "s3://no-such-bucket-here/x/"}, "bucket"),
        ({"names": "{"}, "the names are not JSON"),
        ({"project": "a b"}, "project"),
    ],
)
async def test_an_impossible_import_shows_the_error_and_keeps_the_form(
    served: httpx.AsyncClient, runtime: app.Runtime, changes: dict[str, str], reason: str
) -> None:
    form = {"project": "garden", "kind": "TEST", "place": f"s3://{runtime.storage.bucket}/garden/", **changes}
    form["place"] = form["place"].replace("BUCKET", runtime.storage.bucket)

    answer = await served.post("/console/import", data=form)

    assert answer.status_code == 409
    assert reason in answer.text
    assert form["place"] in answer.text
    assert 'value="TEST" checked' in answer.text


async def test_commands_carry_the_arn_of_the_version(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    page = (await served.get(f"{VERSION}/commands")).text

    assert "project/flowers/version/first/" in page
    assert f"--endpoint-url http://{served.base_url.netloc.decode()}" in page


async def test_without_an_api_pages_say_which_setting_is_missing(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")
    image = {"image": ("a.jpg", factories.picture(size=(80, 80)))}

    for answer in (
        await ada.get(f"{VERSION}/commands"),
        await ada.post(f"{VERSION}/start", data={"units": 1}),
        await ada.post(f"{VERSION}/try", files=image),
        await ada.post("/console/import", data={"project": "p", "kind": "TRAIN", "place": "s3://b/c"}),
    ):
        assert "set AWS_ENDPOINT_URL_REKOGNITION" in answer.text


async def test_an_image_cannot_be_tried_on_a_model_that_does_not_run(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await judged.arrange(runtime)

    page = (await served.get(f"{VERSION}/try")).text
    answer = await served.post(f"{VERSION}/try", files={"image": ("a.jpg", factories.picture(size=(80, 80)))})

    assert "The model is not running. To try it, start it first." in page
    assert answer.status_code == 409
    assert "Start the model first" in answer.text


async def test_what_is_no_image_is_not_sent(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")

    text = await ada.post(f"{VERSION}/try", files={"image": ("a.txt", b"hello")})
    nothing = await ada.post(f"{VERSION}/try", data={"image": ""})
    huge = await ada.post(f"{VERSION}/try", content=b"", headers={"content-length": str(2**30)})

    assert "choose a JPEG or PNG file" in text.text
    assert "Choose an image first." in nothing.text
    assert "too large" in huge.text


async def test_models_are_listed_in_pages_each_test_set_in_its_own_column(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        for number in range(1, 24):
            made = await factories.make_model(session, number)
            made.champion = number - 1 or None
        await judged.add_evaluation(runtime, session, judged.SHOTS, factories.PROJECT, 23, "base")
        field = tables.Evaluation(project=factories.PROJECT, model_version=23, part="field", metrics=judged.metrics())
        field.champion_right = 3
        session.add(field)
    ada, models = await ask("ada"), f"/console/projects/{factories.PROJECT}/models"

    first, second = (await ada.get(models)).text, (await ada.get(f"{models}?page=2")).text

    assert ('/v23"' in first, '/v3"' in first, '/v3"' in second, '/v1"' in second) == (True, False, True, True)
    assert first.count("<b>66.7 %</b>") == 2
    assert "v22: 50.0 %" in first  # the champion on the same images
    assert "different test sets" in first
