import io

from PIL import Image

from console import gallery
from strop import app, storage
from strop_contracts import keys, states, tables
from tests import factories, judged, roles
from tests.integration.console.conftest import Ask

DATA = "/console/projects/flowers/data"


async def add_bad_entry(runtime: app.Runtime, project: str = judged.PROJECT) -> None:
    async with roles.arranging(runtime).begin() as session:
        dataset = await judged.add_dataset(runtime, session, project, "TRAIN", [(factories.picture(9), ["rose"])])
        problem = {"code": "ERROR_INVALID_IMAGE_FORMAT", "message": "The image is <b>neither</b> JPEG nor PNG."}
        bad = {"line": "{}", "labels": ["rose"], "sha256": None, "errors": [problem], "position": 7}
        session.add(tables.HostedEntry(dataset_id=dataset.id, source_ref="s3://bucket/train/rose/bad.gif", **bad))


async def test_a_project_shows_its_sets_with_labels_and_counts(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    page = (await (await ask("ada")).get(DATA)).text

    assert ">Train <b>6</b>" in page
    assert ">Test <b>6</b>" in page
    assert "<span>rose</span><b>2</b>" in page
    assert page.count('<a class="picture"') == 6
    assert "Errors" not in page


async def test_images_are_found_by_label_and_by_name(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada = await ask("ada")

    labelled = (await ada.get(f"{DATA}/test", params={"label": "rose"})).text
    named = (await ada.get(f"{DATA}/test", params={"q": "TULIP/4"})).text
    nothing = (await ada.get(f"{DATA}/test", params={"q": "%", "label": "rose"})).text

    assert labelled.count('<a class="picture"') == 2
    assert "2 images labelled <b>rose</b>" in labelled
    assert named.count('<a class="picture"') == 1
    assert "No image matches." in nothing


async def test_bad_entries_are_on_a_tab_of_their_own_with_the_reason(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, judged.PROJECT)
    await add_bad_entry(runtime)
    ada = await ask("ada")

    errors = (await ada.get(f"{DATA}/errors")).text
    train = (await ada.get(f"{DATA}/train")).text

    assert "s3://bucket/train/rose/bad.gif" in errors
    assert "The image is &lt;b&gt;neither&lt;/b&gt; JPEG nor PNG." in errors
    assert "ERROR_INVALID_IMAGE_FORMAT" in errors
    assert ">Errors <b>1</b>" in errors
    assert ">Train <b>1</b>" in train
    assert "<span>rose</span><b>1</b>" in train
    assert "bad.gif" not in train


async def test_a_data_set_in_creation_shows_its_progress(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, judged.PROJECT)
        dataset = await judged.add_dataset(runtime, session, judged.PROJECT, "TRAIN", [(factories.picture(), [])])
        dataset.status = states.DatasetStatus.CREATE_IN_PROGRESS

    page = (await (await ask("ada")).get(DATA)).text

    assert "<b>Create in progress</b>: 1 image so far." in page
    assert "without a label" in page


async def test_images_come_in_pages(ask: Ask, runtime: app.Runtime) -> None:
    shots = [(factories.picture(), ["rose"])]
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, judged.PROJECT)
        dataset = await judged.add_dataset(runtime, session, judged.PROJECT, "TRAIN", shots)
        same = {"line": "{}", "labels": ["rose"], "sha256": storage.digest(shots[0][0]), "errors": []}
        session.add_all(
            tables.HostedEntry(dataset_id=dataset.id, source_ref=f"s3://b/{n}", position=n, **same)
            for n in range(1, gallery.PAGE + 5)
        )
    ada = await ask("ada")

    first, last = (await ada.get(DATA)).text, (await ada.get(f"{DATA}/train?page=99")).text

    assert first.count('<a class="picture"') == gallery.PAGE
    assert "Page 1 of 2" in first
    assert last.count('<a class="picture"') == 5
    assert "Page 2 of 2" in last


async def test_a_fleets_base_set_and_field_images_are_shown_too(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        await judged.add_capture(runtime, session, factories.picture(1), "can")
        await judged.add_capture(runtime, session, factories.picture(2), None)
        item = {"project": factories.PROJECT, "dataset": "base", "split": "train", "label": "can"}
        session.add(tables.DatasetItem(key="good.jpg", sha256="0" * 64, **item))
        session.add(tables.DatasetItem(key="bad.jpg", refused="not an image", **item))
    ada = await ask("ada")
    data = f"/console/projects/{factories.PROJECT}/data"

    base, field, errors = [(await ada.get(f"{data}/{part}")).text for part in ("base-train", "field", "errors")]

    assert ">Base: train <b>1</b>" in base
    assert "good.jpg" in base
    assert field.count('<a class="picture"') == 2
    assert "no label" in field
    assert "bad.jpg" in errors
    assert "not an image" in errors


async def test_a_project_without_images_shows_how_to_import_some(ask: Ask, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, judged.PROJECT)
    ada = await ask("ada")

    assert "Import a folder from S3" in (await ada.get(DATA)).text
    assert (await ada.get(f"{DATA}/train")).status_code == 404


async def test_thumbnails_are_made_once_and_images_are_as_they_were_stored(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada, body = await ask("ada"), judged.SHOTS[0].body
    sha256 = storage.digest(body)

    image = await ada.get(f"/console/images/flowers/{sha256}")
    small = await ada.get(f"/console/thumbnails/flowers/{sha256}")
    await runtime.storage.delete(keys.image("flowers", sha256))
    again = await ada.get(f"/console/thumbnails/flowers/{sha256}")

    assert image.content == body
    assert image.headers["content-type"] == "image/jpeg"
    assert "immutable" in small.headers["cache-control"]
    assert Image.open(io.BytesIO(small.content)).format == "JPEG"
    assert again.content == small.content


async def test_an_image_of_another_project_or_without_bytes_is_not_there(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)
    ada, sha256 = await ask("ada"), storage.digest(judged.SHOTS[0].body)
    await runtime.storage.delete(keys.image("flowers", sha256))

    for path in (f"images/other/{sha256}", f"thumbnails/other/{sha256}", f"thumbnails/flowers/{sha256}"):
        assert (await ada.get(f"/console/{path}")).status_code == 404
