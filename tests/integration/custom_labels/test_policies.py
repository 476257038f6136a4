"""Project policies are kept by name and revision."""

import json

from tests.integration.custom_labels.conftest import Rekognition

STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "rekognition:CopyProjectVersion", "Resource": "*"}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


async def test_a_policy_is_replaced_and_deleted_by_its_revision_alone(rekognition: Rekognition, project: str) -> None:
    policy = {"ProjectArn": project, "PolicyName": "copy"}
    first = (await rekognition.put_project_policy(**policy, PolicyDocument=DOCUMENT))["PolicyRevisionId"]

    put = {**policy, "PolicyDocument": DOCUMENT + " "}
    assert "ResourceAlreadyExistsException" in await rekognition.fails("put_project_policy", **put)
    second = (await rekognition.put_project_policy(**put, PolicyRevisionId=first))["PolicyRevisionId"]
    stale = await rekognition.fails("put_project_policy", **put, PolicyRevisionId=first)
    assert stale.startswith("InvalidPolicyRevisionIdException: ")

    (listed,) = (await rekognition.list_project_policies(ProjectArn=project))["ProjectPolicies"]
    assert (listed["PolicyDocument"], listed["PolicyRevisionId"]) == (DOCUMENT + " ", second)
    assert (listed["ProjectArn"], listed["PolicyName"]) == (project, "copy")
    assert listed["LastUpdatedTimestamp"] > listed["CreationTimestamp"]

    stale = await rekognition.fails("delete_project_policy", **policy, PolicyRevisionId=first)
    assert stale.startswith("InvalidPolicyRevisionIdException: ")
    await rekognition.delete_project_policy(**policy, PolicyRevisionId=second)
    assert "ResourceNotFoundException" in await rekognition.fails("delete_project_policy", **policy)


async def test_policies_are_limited_and_come_in_pages(rekognition: Rekognition, project: str) -> None:
    policy = {"ProjectArn": project, "PolicyDocument": DOCUMENT}
    for name in ("e", "b", "a", "c", "d"):
        await rekognition.put_project_policy(**policy, PolicyName=name)

    too_many = await rekognition.fails("put_project_policy", **policy, PolicyName="f")
    assert too_many.startswith("ServiceQuotaExceededException: ")
    wrong = await rekognition.fails("put_project_policy", **policy, PolicyName="f", PolicyRevisionId="ab")
    assert wrong.startswith("InvalidPolicyRevisionIdException: ")
    malformed = await rekognition.fails("put_project_policy", ProjectArn=project, PolicyName="f", PolicyDocument="{}")
    assert malformed.startswith("MalformedPolicyDocumentException: ")
    first = await rekognition.list_project_policies(ProjectArn=project, MaxResults=3)
    rest = await rekognition.list_project_policies(ProjectArn=project, NextToken=first["NextToken"])
    pages = [[each["PolicyName"] for each in page["ProjectPolicies"]] for page in (first, rest)]
    assert pages == [["a", "b", "c"], ["d", "e"]]
    assert "NextToken" not in rest
