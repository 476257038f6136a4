"""Tags of everything that can have them."""

from custom_labels.api import arns
from custom_labels.settings import Settings
from strop import app
from strop_contracts import tables
from tests import roles
from tests.integration.custom_labels.conftest import Rekognition


async def test_tags_are_added_replaced_and_taken_away_on_each_kind_of_resource(
    rekognition: Rekognition, project: str, runtime: app.Runtime
) -> None:
    made = await rekognition.create_dataset(ProjectArn=project, DatasetType="TEST", Tags={"team": "green"})
    async with roles.arranging(runtime).begin() as session:
        version = tables.ProjectVersion(
            project="flowers", name="v1", status="STOPPED", output={}, tags={"team": "green"}
        )
        session.add(version)
        await session.flush()
        versioned = arns.version(Settings(), version)
    await rekognition.tag_resource(ResourceArn=project, Tags={"team": "green"})

    for arn in (project, made["DatasetArn"], versioned):
        assert (await rekognition.list_tags_for_resource(ResourceArn=arn))["Tags"] == {"team": "green"}
        await rekognition.tag_resource(ResourceArn=arn, Tags={"team": "red", "floor": "2"})
        await rekognition.untag_resource(ResourceArn=arn, TagKeys=["floor", "nobody"])
        assert (await rekognition.list_tags_for_resource(ResourceArn=arn))["Tags"] == {"team": "red"}
        later = arn[:-1] + str((int(arn[-1]) + 1) % 10)
        failed = await rekognition.fails("tag_resource", ResourceArn=later, Tags={})
        assert failed.startswith("ResourceNotFoundException: ")
    failed = await rekognition.fails("list_tags_for_resource", ResourceArn="arn:aws:s3:::somebody")
    assert failed.startswith("ResourceNotFoundException: ")


async def test_a_resource_has_a_limited_number_of_tags(rekognition: Rekognition, project: str) -> None:
    await rekognition.tag_resource(ResourceArn=project, Tags={str(number): "" for number in range(200)})
    await rekognition.tag_resource(ResourceArn=project, Tags={"0": "again"})

    failed = await rekognition.fails("tag_resource", ResourceArn=project, Tags={"one more": ""})

    assert failed.startswith("ServiceQuotaExceededException: ")
