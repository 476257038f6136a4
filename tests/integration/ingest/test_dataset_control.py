"""Base images over the control API: upload, outcome, removal, and the comparison with the bucket."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import dataset_control, object_changes
from strop import app, storage
from strop_contracts import control as documents
from strop_contracts import tables
from tests import factories, roles, users
from tests.integration.ingest.bucket import BODY, appear

PATH = "train/can/1 ü+.jpg"
KEY = f"{factories.PROJECT}/datasets/base/{PATH}"
FILE = {"path": PATH, "sha256": storage.digest(BODY), "size": len(BODY), "content_type": "image/jpeg"}

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
async def client(runtime: app.Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes of data sets."""
    async with roles.arranging(runtime).begin() as session:
        token = await users.token(session, "ann")
    transport = httpx.ASGITransport(app.web({"ingest": runtime}, {"ingest": app.Service([], dataset_control.router)}))
    url = f"http://strop/api/control/ingest/projects/{factories.PROJECT}/datasets/"
    async with httpx.AsyncClient(
        transport=transport, base_url=url, headers={"Authorization": f"Bearer {token}"}
    ) as opened:
        yield opened


async def grant(client: httpx.AsyncClient, **changes: object) -> documents.Uploads:
    answer = await client.post("base/uploads", json={"files": [FILE | changes]})
    answer.raise_for_status()
    return documents.Uploads.model_validate_json(answer.content)


async def upload(client: httpx.AsyncClient, body: bytes = BODY) -> documents.Uploads:
    """Upload a file as the command does."""
    granted = await grant(client, sha256=storage.digest(body), size=len(body))
    async with httpx.AsyncClient() as s3:
        (file,) = granted.uploads
        (await s3.put(file.url, content=body, headers=file.headers)).raise_for_status()
    return granted


async def outcomes(client: httpx.AsyncClient, granted: documents.Uploads) -> Any:
    uploaded = {"paths": [PATH], "since": granted.at.isoformat()}
    return (await client.post("base/outcomes", json=uploaded)).json()["outcomes"]


@pytest.mark.parametrize(("body", "outcome"), [(BODY, None), (b"no image", "neither JPEG, PNG nor WebP")])
async def test_an_uploaded_file_has_an_outcome_once_ingest_has_processed_it(
    client: httpx.AsyncClient, files: object_changes.ObjectChanges, body: bytes, outcome: str | None
) -> None:
    granted = await upload(client, body)
    assert await outcomes(client, granted) == {}

    await appear(files, KEY)

    assert await outcomes(client, granted) == {PATH: outcome}


async def test_an_outcome_of_an_earlier_import_is_not_returned(
    client: httpx.AsyncClient, files: object_changes.ObjectChanges
) -> None:
    await upload(client, b"no image")
    await appear(files, KEY)

    assert await outcomes(client, await grant(client)) == {}


async def test_a_file_that_is_stored_with_these_bytes_is_not_uploaded_again(
    client: httpx.AsyncClient, files: object_changes.ObjectChanges
) -> None:
    await upload(client)
    await appear(files, KEY)

    assert (await grant(client)).uploads == []
    assert [each.path for each in (await grant(client, sha256="0" * 64)).uploads] == [PATH]


@pytest.mark.parametrize(
    "path", ["1.jpg", "train/1.jpg", "other/can/1.jpg", "train/a\tb/1.jpg", "train/.git/1.jpg", ""]
)
async def test_a_path_that_names_no_base_image_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answers = [
        await client.post("base/uploads", json={"files": [FILE | {"path": path}]}),
        await client.post("base/remove", json={"paths": [path]}),
    ]

    assert [each.status_code for each in answers] == [409, 409]


async def test_a_data_set_whose_name_is_invalid_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("a b/uploads", json={"files": [FILE]})).status_code == 409


@pytest.mark.parametrize(
    ("route", "body"), [("base/uploads", {"files": [FILE]}), ("base/remove", {"paths": [PATH]}), ("check", None)]
)
async def test_an_unknown_project_is_not_found(client: httpx.AsyncClient, route: str, body: object) -> None:
    url = str(client.base_url).replace(factories.PROJECT, "unknown")

    answer = await client.post(f"{url}{route}", json=body)

    assert (answer.status_code, answer.json()["detail"][:27]) == (404, "there is no project unknown")


async def test_a_removed_image_has_neither_object_nor_row(
    client: httpx.AsyncClient, runtime: app.Runtime, files: object_changes.ObjectChanges, session: AsyncSession
) -> None:
    await upload(client)
    await appear(files, KEY)
    assert (await client.get("base/paths")).json() == {"paths": [PATH]}

    answers = [await client.post("base/remove", json={"paths": [PATH]}) for _ in range(2)]

    assert [each.status_code for each in answers] == [204, 204]
    assert (await client.get("base/paths")).json() == {"paths": []}
    assert await runtime.storage.size(KEY) is None
    assert (await session.scalars(select(tables.DatasetItem))).all() == []


async def test_a_check_repeats_the_notification_of_each_difference(
    client: httpx.AsyncClient, runtime: app.Runtime, files: object_changes.ObjectChanges
) -> None:
    await upload(client)
    await appear(files, KEY)
    await runtime.storage.delete(KEY)
    await runtime.storage.put(other := KEY.replace("/can/", "/cup/"), BODY)

    found = documents.BaseImages.model_validate_json((await client.post("check")).content)

    assert (found.gone.first, found.unseen.first) == ([KEY], [other])
    assert [(each.label, each.images) for each in found.counts] == [("can", 1)]
    assert len(await runtime.queues.receive("ingest", wait=1)) == 2
