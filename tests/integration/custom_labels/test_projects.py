"""Projects: create, describe, delete, as boto3 sees them."""

import asyncio
from typing import Any

from botocore.exceptions import ClientError

from strop import app
from strop_contracts import tables
from strop_wire import ids
from tests import factories, roles, wait
from tests.integration.custom_labels.conftest import Rekognition


async def names(rekognition: Rekognition, **request: Any) -> list[str]:
    found = (await rekognition.describe_projects(**request))["ProjectDescriptions"]
    return [each["ProjectArn"].split("/")[1] for each in found]


async def test_a_project_is_created_and_described(rekognition: Rekognition) -> None:
    made = await rekognition.create_project(ProjectName="flowers", Tags={"team": "green"})

    answer = await rekognition.describe_projects()

    assert made["ProjectArn"].startswith("arn:aws:rekognition:us-east-1:123456789012:project/flowers/")
    (described,) = answer["ProjectDescriptions"]
    assert described["ProjectArn"] == made["ProjectArn"]
    assert (described["Status"], described["Feature"], described["Datasets"]) == ("CREATED", "CUSTOM_LABELS", [])
    at = described["CreationTimestamp"].timestamp()
    assert round(at * 1000) == int(made["ProjectArn"].rpartition("/")[2])


async def test_a_name_is_taken_once_however_many_ask_at_a_time(rekognition: Rekognition) -> None:
    made = await asyncio.gather(
        *(rekognition.create_project(ProjectName="flowers") for _ in range(4)), return_exceptions=True
    )

    lost = [each for each in made if isinstance(each, ClientError)]
    assert len(lost) == 3
    assert {each.response["Error"]["Code"] for each in lost} == {"ResourceInUseException"}


async def test_a_fleets_project_is_one_too(rekognition: Rekognition, runtime: app.Runtime) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)

    assert await names(rekognition) == [factories.PROJECT]
    assert "ResourceInUseException" in await rekognition.fails("create_project", ProjectName=factories.PROJECT)


async def test_what_is_not_offered_is_refused(rekognition: Rekognition) -> None:
    for wrong in ({"ProjectName": ".."}, {"ProjectName": "a", "Feature": "CONTENT_MODERATION"}):
        assert (await rekognition.fails("create_project", **wrong)).startswith("InvalidParameterException: ")
    failed = await rekognition.fails("create_project", ProjectName="a", AutoUpdate="ENABLED")
    assert failed.startswith("InvalidParameterException: ")
    assert await names(rekognition) == []


async def test_projects_come_in_pages_and_by_name_and_feature(rekognition: Rekognition) -> None:
    for name in ("c", "a", "b"):
        await rekognition.create_project(ProjectName=name)

    pages = await asyncio.to_thread(
        lambda: list(rekognition.client.get_paginator("describe_projects").paginate(PaginationConfig={"PageSize": 2}))
    )

    assert [[each["ProjectArn"].split("/")[1] for each in page["ProjectDescriptions"]] for page in pages] == [
        ["a", "b"],
        ["c"],
    ]
    assert "NextToken" not in pages[-1]
    token = pages[0]["NextToken"]
    failed = await rekognition.fails("describe_projects", NextToken=token, ProjectNames=["a"])
    assert failed.startswith("InvalidPaginationTokenException: ")
    assert await names(rekognition, ProjectNames=["b", "nobody"]) == ["b"]
    assert await names(rekognition, Features=["CONTENT_MODERATION"]) == []


async def test_deletion_asks_every_service_and_clears_its_own_part(
    rekognition: Rekognition, runtime: app.Runtime
) -> None:
    arn = (await rekognition.create_project(ProjectName="flowers"))["ProjectArn"]
    await runtime.storage.put("flowers/images/abc", b"image")
    await runtime.storage.put("flowers2/images/abc", b"image")
    await rekognition.create_dataset(ProjectArn=arn, DatasetType="TRAIN")

    assert (await rekognition.delete_project(ProjectArn=arn))["Status"] == "DELETING"

    async def cleared() -> bool:
        async with roles.arranging(runtime)() as session:
            return "custom-labels" not in (await session.get_one(tables.Project, "flowers")).uncleared

    await wait.until(cleared)
    assert [key async for key in runtime.storage.keys("")] == ["flowers2/images/abc"]
    (described,) = (await rekognition.describe_projects(ProjectNames=["flowers"]))["ProjectDescriptions"]
    assert (described["Status"], described["Datasets"]) == ("DELETING", [])
    assert (await rekognition.fails("delete_project", ProjectArn=arn)).startswith("ResourceNotFoundException: ")


async def test_a_project_that_is_being_deleted_is_no_longer_there_and_its_name_not_yet_free(
    rekognition: Rekognition, runtime: app.Runtime
) -> None:
    arn = (await rekognition.create_project(ProjectName="flowers"))["ProjectArn"]
    async with roles.arranging(runtime).begin() as session:
        (await session.get_one(tables.Project, "flowers")).deletion_id = ids.uuid7()

    (described,) = (await rekognition.describe_projects())["ProjectDescriptions"]
    assert described["Status"] == "DELETING"
    assert "ResourceNotFoundException" in await rekognition.fails("create_dataset", ProjectArn=arn, DatasetType="TEST")
    assert "ResourceInUseException" in await rekognition.fails("create_project", ProjectName="flowers")


async def test_a_project_with_devices_captures_or_models_is_kept(
    rekognition: Rekognition, runtime: app.Runtime
) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        await factories.make_project(session, "seen", devices=())
        await factories.make_capture(session, b"image", project="seen")
        await factories.make_project(session, "trained", devices=())
        await factories.make_model(session, 1, "trained")
        await factories.make_project(session, "versions", devices=())
        session.add(tables.ProjectVersion(project="versions", name="v1", status="STOPPED", output={}))
        await factories.make_project(session, "changing", devices=())
        session.add(tables.HostedDataset(project="changing", kind="TEST", status="UPDATE_IN_PROGRESS"))

    for described in (await rekognition.describe_projects())["ProjectDescriptions"]:
        failed = await rekognition.fails("delete_project", ProjectArn=described["ProjectArn"])
        assert failed.startswith("ResourceInUseException: "), described
    assert len(await names(rekognition)) == 5
