"""DetectCustomLabels: images in the request and in S3, what is answered, and what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_labels import image_rules
from custom_labels.hosting import detect, pool
from strop import app
from tests.integration.custom_labels import colours
from tests.integration.custom_labels.colours import Colours, add_version, stored, strange_head
from tests.integration.custom_labels.conftest import Bucket, Rekognition
from tests.unit.edge import packages


@pytest.fixture
async def lab(runtime: app.Runtime, rekognition: Rekognition, bucket: Bucket) -> Colours:
    made = Colours(runtime, rekognition, bucket)
    await made.project()
    return made


async def start(lab: Colours) -> str:
    arn = await lab.trained()
    await lab.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    await lab.reaches(arn, "RUNNING")
    return arn


async def names(lab: Colours, arn: str, image: dict[str, Any], **options: Any) -> list[str]:
    answer = await lab.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image, **options)
    return [label["Name"] for label in answer["CustomLabels"]]


async def test_images_come_in_the_request_or_from_s3_and_bad_ones_are_refused(
    lab: Colours, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = await start(lab)
    await bucket.put("green.jpg", packages.GREEN)
    await bucket.put("words.txt", b"no image")
    in_s3 = {"S3Object": {"Bucket": bucket.name, "Name": "green.jpg"}}

    async def fails(image: dict[str, Any]) -> str:
        said = await lab.rekognition.fails("detect_custom_labels", ProjectVersionArn=arn, Image=image)
        return said.partition(":")[0]

    assert await names(lab, arn, {"Bytes": packages.RED}) == ["red"]
    assert await names(lab, arn, in_s3) == ["green"]
    assert sorted(await names(lab, arn, in_s3, MinConfidence=0)) == ["blue", "green", "red"]
    assert await names(lab, arn, in_s3, MinConfidence=0, MaxResults=1) == ["green"]
    assert await names(lab, arn, {"Bytes": packages.GREY}) == []  # nothing reaches its threshold
    assert await fails({"Bytes": b"no image"}) == "InvalidImageFormatException"
    assert await fails({"S3Object": {"Bucket": bucket.name, "Name": "words.txt"}}) == "InvalidImageFormatException"
    assert await fails({"Bytes": packages.RED + b"\0" * detect.MAX_BYTES}) == "ImageTooLargeException"
    assert await fails({"Bytes": packages.picture(1, 2, 3, (4100, 64))}) == "ImageTooLargeException"
    assert await fails({"S3Object": {"Bucket": bucket.name, "Name": "missing.jpg"}}) == "InvalidS3ObjectException"
    assert await fails({"S3Object": {"Bucket": "nobody-has-this", "Name": "a.jpg"}}) == "InvalidS3ObjectException"
    assert await fails({"Bytes": packages.RED, **in_s3}) == "InvalidParameterException"
    assert await fails({"S3Object": {"Bucket": bucket.name}}) == "InvalidParameterException"
    monkeypatch.setattr(image_rules, "MAX_BYTES", len(packages.GREEN) - 1)
    assert await fails(in_s3) == "ImageTooLargeException"
    monkeypatch.setattr(pool, "WAITING", 0)
    assert await fails({"Bytes": packages.RED}) == "ProvisionedThroughputExceededException"


@pytest.mark.parametrize("make", [packages.whole, packages.larger])
async def test_a_package_of_another_shape_is_hosted(
    lab: Colours, runtime: app.Runtime, make: Callable[..., packages.Package]
) -> None:
    files = await stored(runtime, colours.PROJECT, make)
    arn = await add_version(runtime, files=files, status="STARTING", min_units=1, started_at=datetime.now(UTC))
    await lab.reaches(arn, "RUNNING")

    assert await names(lab, arn, {"Bytes": packages.GREEN}) == ["green"]


async def test_only_a_model_that_runs_answers(lab: Colours, runtime: app.Runtime) -> None:
    arn = await lab.trained()

    async def fails(**changes: str) -> str:
        request = {"ProjectVersionArn": arn, "Image": {"Bytes": packages.RED}, **changes}
        return await lab.rekognition.fails("detect_custom_labels", **request)

    assert (
        await fails()
        == "ResourceNotReadyException: The project version is TRAINING_COMPLETED, not RUNNING: StartProjectVersion starts it."
    )
    assert (await fails(ProjectVersionArn=arn.replace("/1/", "/2/"))).startswith("ResourceNotFoundException")
    assert (await fails(ProjectVersionArn=arn.replace("123456789012", "210987654321"))).startswith("ResourceNotFound")


async def test_a_model_that_is_not_loaded_yet_is_waited_for(
    lab: Colours, runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of the service a model is RUNNING before its units are."""
    monkeypatch.setattr(detect, "PATIENCE", 50)  # a unit is a process that has to start
    arn = await add_version(runtime, status="RUNNING", min_units=1, started_at=datetime.now(UTC))

    assert await names(lab, arn, {"Bytes": packages.RED}) == ["red"]


async def test_an_image_of_nothing_known_is_answered_with_an_empty_list(lab: Colours, runtime: app.Runtime) -> None:
    """To this head every image is strange."""
    files = await stored(runtime, "colours", head=strange_head(5.0), novelty={"threshold": 1.0})
    arn = await add_version(runtime, files=files, status="STARTING", min_units=1, started_at=datetime.now(UTC))
    await lab.reaches(arn, "RUNNING")

    assert await names(lab, arn, {"Bytes": packages.RED}) == []
    assert await names(lab, arn, {"Bytes": packages.RED}, MinConfidence=10) == []
    assert len(await names(lab, arn, {"Bytes": packages.RED}, MinConfidence=0)) == 3


async def test_a_threshold_of_the_version_stands_for_those_of_the_labels(
    lab: Colours, runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "PATIENCE", 50)  # a unit is a process that has to start
    arn = await add_version(runtime, threshold=99.99, status="RUNNING", min_units=1, started_at=datetime.now(UTC))

    assert await names(lab, arn, {"Bytes": packages.RED}) == []
    assert await names(lab, arn, {"Bytes": packages.RED}, MinConfidence=50) == ["red"]
