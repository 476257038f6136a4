"""Every operation against botocore's description of it: any input gets a success or an error of the model, never a 500."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from custom_labels import __main__ as main
from custom_labels.api import arns, operations, shapes
from custom_labels.settings import Settings
from strop import app
from strop_contracts import tables
from tests import roles
from tests.integration.custom_labels.conftest import Bucket

URL = "http://strop/"
PROTOCOL = {"SerializationException"}
"""What every AWS service may answer and no model lists: the body is not of the types that the operation takes."""

many = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

# --- requests; what only the running deployment knows stands there as a placeholder ---

STATEMENT = {"Effect": "Allow", "Principal": "*", "Resource": "*", "Action": "rekognition:CopyProjectVersion"}
PLACES = {
    "ProjectArn": ["@flowers", "@other"],
    "DatasetArn": ["@TRAIN", "@TEST"],
    "ProjectVersionArn": ["@v1", "@v2"],
    "ResourceArn": ["@flowers", "@TRAIN", "@v1"],
    "S3Bucket": ["@bucket", "nobody-has-this"],
    "S3ObjectName": ["train.manifest", "a.jpg", "missing"],
    "ProjectName": ["flowers", "other", "third", ".."],
    "VersionName": ["v1", "v3"],
    "ProjectPolicyName": ["copy"],
    "ProjectPolicyDocument": [json.dumps({"Version": "2012-10-17", "Statement": STATEMENT})],
    "GroundTruthBlob": [base64.b64encode(b'{"source-ref": "s3://theirs/a.jpg"}\n{').decode()],
    "DatasetLabel": ["rose"],
}
"""By the name of the shape: values that exist, or could."""

GARBAGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["", "\0", "\ud800", "x" * 3000, "s3://", "{}", "\u0663", [[[]]], {"": {}}, -1, 10**30, 1e300]),
)


def fitting(shape: Any) -> st.SearchStrategy[Any]:
    """Values that fit a shape."""
    if shape.type_name == "structure":
        # No token fits: the service alone makes them.
        members = {name: fitting(each) for name, each in shape.members.items() if name != "NextToken"}
        required = {name: members.pop(name) for name in shape.required_members}
        return st.fixed_dictionaries(required, optional=members)
    if shape.type_name == "list":
        return st.lists(fitting(shape.member), min_size=shape.metadata.get("min", 0), max_size=2)
    if shape.type_name == "map":
        return st.dictionaries(fitting(shape.key), fitting(shape.value), max_size=2)
    return _scalar(shape)


def _scalar(shape: Any) -> st.SearchStrategy[Any]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    match shape.type_name:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(least, most or 5)
        case "float":
            return st.floats(least, most)
        case "blob":
            made = st.binary(min_size=least, max_size=30).map(lambda body: base64.b64encode(body).decode())
        case _ if shape.enum:
            return st.sampled_from(shape.enum)
        case _ if "pattern" in shape.metadata:
            made = st.from_regex(shapes._compiled(shape.metadata["pattern"]), fullmatch=True)
        case _:
            made = st.text(min_size=least, max_size=20)
    known = PLACES.get(shape.name)
    return st.one_of(st.sampled_from(known), st.sampled_from(known), made) if known else made


@st.composite
def broken(draw: st.DrawFn, shape: Any) -> Any:
    """Values that fit a shape but for one place."""
    value = draw(fitting(shape))
    if not isinstance(value, dict) or draw(st.integers(0, 3)) == 0:
        return draw(GARBAGE)
    name = draw(st.sampled_from([*shape.members, "Unknown"])) if shape.type_name == "structure" else "key"
    match draw(st.integers(0, 2)):
        case 0:
            value.pop(name, None)
        case 1 if shape.type_name == "structure" and name in value:
            value[name] = draw(broken(shape.members[name]))
        case _:
            value[name] = draw(GARBAGE)
    return value


NAMES = sorted(operations.TABLE)
SHAPES = {name: shapes.inputs(name) for name in NAMES}
GOOD = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), fitting(SHAPES[name])))
BAD = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), broken(SHAPES[name])))

# --- the service, in this process ---


class Deployment:
    """Something of every kind, and the app that answers for it."""

    def __init__(self, client: httpx.AsyncClient, runtime: app.Runtime, places: dict[str, str]) -> None:
        self._client = client
        self._runtime = runtime
        self._places = places
        self._own = Settings()

    async def answer(self, operation: str, request: Any) -> str:
        """Send a signed request; returns the error's code, or nothing, after botocore's parser took the answer."""
        text = json.dumps(request)
        for place, value in self._places.items():
            text = text.replace(f'"{place}"', f'"{value}"')
        answer = await self._post(operation, text.encode())
        model = shapes.service().operation_model(operation)
        response = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.content}
        parsed = create_parser("json").parse(response, model.output_shape)
        code = str(parsed.get("Error", {}).get("Code", ""))
        assert answer.status_code == (400 if code else 200), (code, answer.text)
        assert code in {"", *PROTOCOL, *(shape.name for shape in model.error_shapes)}, answer.text
        if not code:
            await self._settle(request, parsed)
        return code

    async def _settle(self, request: Any, parsed: dict[str, Any]) -> None:
        """Finish at once what would go on elsewhere, so that the next request finds things ready again."""
        if "DatasetArn" in parsed:
            self._places[f"@{request['DatasetType']}"] = parsed["DatasetArn"]
        async with roles.arranging(self._runtime).begin() as session:
            await session.execute(update(tables.HostedDataset).values(status="CREATE_COMPLETE"))
            await session.execute(update(tables.Project).values(deletion_id=None))

    async def _post(self, operation: str, body: bytes) -> httpx.Response:
        headers = {"X-Amz-Target": f"RekognitionService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", url=URL, data=body, headers=headers | {"Host": "strop"})
        ((key_id, secret),) = self._own.secrets().items()
        SigV4Auth(Credentials(key_id, secret), "rekognition", "us-east-1").add_auth(request)
        return await self._client.post(URL, content=body, headers=dict(request.headers.items()))


@pytest.fixture
async def deployment(runtime: app.Runtime, bucket: Bucket) -> AsyncIterator[Deployment]:
    await bucket.manifest([await bucket.line("a.jpg", "rose")])
    own, places = Settings(), {"@bucket": bucket.name}
    async with roles.arranging(runtime).begin() as session:
        for name in ("flowers", "other"):
            session.add(project := tables.Project(name=name))
            await session.flush()
            places[f"@{name}"] = arns.project(own, project)
        for kind in ("TRAIN", "TEST"):
            session.add(dataset := tables.HostedDataset(project="flowers", kind=kind, status="CREATE_COMPLETE"))
            await session.flush()
            places[f"@{kind}"] = arns.dataset(own, dataset)
        for name, status in (("v1", "TRAINING_COMPLETED"), ("v2", "TRAINING_IN_PROGRESS")):
            session.add(version := tables.ProjectVersion(project="flowers", name=name, status=status, output={}))
            await session.flush()
            places[f"@{name}"] = arns.version(own, version)
    transport = httpx.ASGITransport(app.web({main.NAME: runtime}, {main.NAME: main.build(runtime)}))
    async with httpx.AsyncClient(transport=transport) as client:
        yield Deployment(client, runtime, places)


@many
@given(GOOD)
async def test_a_request_of_the_right_shape_has_a_result_of_the_service_model(
    deployment: Deployment, call: tuple[str, Any]
) -> None:
    assert await deployment.answer(*call) != "SerializationException"


@many
@given(BAD)
async def test_a_request_of_a_wrong_shape_has_an_error_of_the_service_model(
    deployment: Deployment, call: tuple[str, Any]
) -> None:
    await deployment.answer(*call)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DescribeProjects", {}),
        ("DescribeProjectVersions", {"ProjectArn": "@flowers"}),
        ("ListDatasetEntries", {"DatasetArn": "@TRAIN"}),
        ("ListDatasetLabels", {"DatasetArn": "@TRAIN"}),
        ("ListProjectPolicies", {"ProjectArn": "@flowers"}),
    ],
)
async def test_an_empty_token_asks_for_the_first_page(
    deployment: Deployment, operation: str, request_: dict[str, Any]
) -> None:
    """The scripts of AWS's guide begin every list with one."""
    assert await deployment.answer(operation, {**request_, "NextToken": ""}) == ""
    assert await deployment.answer(operation, {**request_, "NextToken": "x"}) == "InvalidPaginationTokenException"
