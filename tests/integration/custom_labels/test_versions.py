"""Project versions through boto3: ordered, trained by a trainer that is played here, described, copied, deleted."""

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from sqlalchemy import select

from strop import app, outbox
from strop_contracts import events, states, tables
from strop_wire import ids
from tests import factories, judged, roles, wait
from tests.integration.custom_labels import colours
from tests.integration.custom_labels.colours import Colours, add_version
from tests.integration.custom_labels.conftest import Bucket, Rekognition

QUICK = {"Delay": 0.05, "MaxAttempts": 400}
FILES = (
    "EvaluationResultSummary", "ManifestSummary", "TestingGroundTruth", "TestingManifestWithValidation",
    "TrainingGroundTruth", "TrainingManifestWithValidation",
)  # fmt: skip


@pytest.fixture
async def lab(runtime: app.Runtime, rekognition: Rekognition, bucket: Bucket) -> Colours:
    made = Colours(runtime, rekognition, bucket)
    await made.project()
    return made


async def versions(runtime: app.Runtime) -> list[tables.ProjectVersion]:
    async with roles.arranging(runtime)() as session:
        return list(await session.scalars(select(tables.ProjectVersion)))


async def result(lab: Colours, kind: str, name: str = "1") -> Any:
    body = await lab.bucket.get(f"{colours.OUTPUT_PREFIX}/{kind}-{colours.PROJECT}-{name}.json")
    lines = [json.loads(line) for line in body.splitlines()]
    return lines[0] if kind.endswith("Summary") else lines


async def test_data_sets_become_a_model_with_its_evaluation_in_the_callers_bucket(lab: Colours) -> None:
    await lab.datasets()

    arn = await lab.order(VersionDescription="first try", Tags={"team": "green"})
    described = await lab.version(arn)
    assert (described["Status"], described["StatusMessage"]) == ("TRAINING_IN_PROGRESS", "The model is being trained.")
    await lab.deliver()
    waiter = lab.rekognition.client.get_waiter("project_version_training_completed")
    await asyncio.to_thread(waiter.wait, ProjectArn=lab.arn, VersionNames=["1"], WaiterConfig=QUICK)

    described = await lab.version(arn)
    assert (described["Status"], described["StatusMessage"]) == ("TRAINING_COMPLETED", "The model is ready to run.")
    assert described["VersionDescription"] == "first try"
    assert described["OutputConfig"] == lab.output
    assert described["EvaluationResult"]["F1Score"] == 0.5
    places = [
        described["EvaluationResult"]["Summary"],
        described["ManifestSummary"],
        *(described[f"{part}DataResult"][step]["Assets"][0]["GroundTruthManifest"]
          for part in ("Training", "Testing") for step in ("Output", "Validation")),
    ]  # fmt: skip
    named = {(place["S3Object"]["Bucket"], place["S3Object"]["Name"]) for place in places}
    assert named == {(lab.bucket.name, f"results/{kind}-colours-1.json") for kind in FILES}
    summary = await result(lab, "EvaluationResultSummary")
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == arn
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 4
    assert (await result(lab, "ManifestSummary"))["statistics"]["testing"]["valid_json_lines"] == 2
    sources = {line["source-ref"] for line in await result(lab, "TrainingGroundTruth")}
    assert sources == {f"s3://{lab.bucket.name}/red/{n}.jpg" for n in (1, 2)} | {
        f"s3://{lab.bucket.name}/green/{n}.jpg" for n in (3, 4)
    }
    assert len(await result(lab, "TestingGroundTruth")) == 2


async def test_images_that_the_trainer_left_out_are_named_and_in_no_result(lab: Colours) -> None:
    await lab.datasets()
    arn = await lab.order()

    await lab.deliver(0, 5)

    described = await lab.reaches(arn, "TRAINING_COMPLETED")
    assert "2 images cannot be used: s3://" in described["StatusMessage"]
    assert described["StatusMessage"].endswith(": cannot be decoded")
    summary = await result(lab, "EvaluationResultSummary")
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 3
    assert len(await result(lab, "TestingGroundTruth")) == 1


async def test_the_trainer_gets_exactly_the_labelled_images_of_both_sets(lab: Colours) -> None:
    bad = lab.bucket.text("missing.jpg", "red")
    await lab.dataset("TRAIN", [*await lab.lines(red=3, green=3), bad, await lab.bucket.line("x.jpg", None, 99)])
    await lab.dataset("TEST", await lab.lines(red=1, green=1))

    await lab.order()

    ordered, lines = await lab.taken()
    assert (ordered.project, ordered.backbone) == (colours.PROJECT, "lite0+lite2")
    assert sorted((line["part"], line["label"]) for line in lines) == [
        *[("train", "green")] * 3, *[("train", "red")] * 3, ("valid", "green"), ("valid", "red"),
    ]  # fmt: skip
    statistics = (await result(lab, "ManifestSummary"))["statistics"]["training"]
    assert (statistics["invalid_json_lines"], statistics["ignored_json_lines"]) == (1, 1)
    assert statistics["errors"][0]["code"] == "ERROR_INVALID_IMAGE"
    shown = await result(lab, "TrainingManifestWithValidation")
    assert [line["source-ref"].rpartition("/")[2] for line in shown if "cl-errors" in line] == ["missing.jpg"]


async def test_a_training_that_fails_says_why_and_the_waiter_gives_up(lab: Colours, runtime: app.Runtime) -> None:
    await lab.datasets()
    arn = await lab.order()
    ordered, _ = await lab.taken()
    async with roles.arranging(runtime).begin() as session:
        failed = events.TrainingFailed(project=colours.PROJECT, run_id=ordered.run_id, reason="the disk is full")
        await outbox.add(session, failed)

    waiter = lab.rekognition.client.get_waiter("project_version_training_completed")
    with pytest.raises(WaiterError, match="terminal failure"):
        await asyncio.to_thread(waiter.wait, ProjectArn=lab.arn, VersionNames=["1"], WaiterConfig=QUICK)

    described = await lab.version(arn)
    assert (described["Status"], described["StatusMessage"]) == ("TRAINING_FAILED", "the disk is full")


async def test_what_cannot_be_trained_is_refused_and_nothing_is_left(lab: Colours, runtime: app.Runtime) -> None:
    assert "ResourceNotFoundException" in await lab.refusal(ProjectArn=lab.arn[:-1] + "x1"[-1:] + "0")
    assert await lab.refusal() == "InvalidParameterException: The project has no training data set: create one first."
    red = await lab.lines(red=2)
    await lab.dataset("TRAIN", red)
    assert await lab.refusal() == "InvalidParameterException: The project has no test data set: create one first."
    await lab.dataset("TEST", await lab.lines(red=1))
    assert "InvalidParameterException: ERROR_MANIFEST_TOO_FEW_LABELS" in await lab.refusal()

    assert await versions(runtime) == []
    assert [key async for key in runtime.storage.keys(f"{colours.PROJECT}/datasets/orders/")] == []


async def test_test_images_must_be_others_and_their_labels_known(lab: Colours) -> None:
    lines = await lab.lines(red=2, green=2)
    await lab.dataset("TRAIN", lines)
    test = await lab.dataset("TEST", [lines[0], *await lab.lines(green=1)])
    assert "An image is in the training and in the test data set" in await lab.refusal()

    await lab.rekognition.delete_dataset(DatasetArn=test)
    await lab.dataset("TEST", await lab.lines(blue=1, white=1))
    assert "InvalidParameterException: ERROR_INSUFFICIENT_LABEL_OVERLAP" in await lab.refusal()


async def test_a_bucket_that_takes_no_results_is_refused(lab: Colours, runtime: app.Runtime) -> None:
    await lab.datasets()

    assert "nobody-has-this takes no results" in await lab.refusal(OutputConfig={"S3Bucket": "nobody-has-this"})
    assert "OutputConfig needs an S3Bucket" in await lab.refusal(OutputConfig={"S3KeyPrefix": "x"})

    assert await versions(runtime) == []
    assert await wait.outbox(runtime) == []


async def test_one_version_is_trained_at_a_time_and_each_name_is_given_once(lab: Colours) -> None:
    await lab.datasets()
    answers = await asyncio.gather(lab.order("1"), lab.order("2"), return_exceptions=True)
    (refused,) = [each for each in answers if isinstance(each, Exception)]
    assert "LimitExceededException" in str(refused)
    (arn,) = [each for each in answers if isinstance(each, str)]
    await lab.deliver()
    await lab.reaches(arn, "TRAINING_COMPLETED")

    assert "ResourceInUseException: The project has a version" in await lab.refusal(arn.split("/")[-2])


async def test_manifests_of_its_own_are_read_before_a_version_is_trained(lab: Colours) -> None:
    train = await lab.bucket.manifest(await lab.lines(red=5, green=5), "own.manifest")

    arn = await lab.order(TrainingData={"Assets": [train]}, TestingData={"AutoCreate": True})
    described = await lab.version(arn)
    assert described["TrainingDataResult"]["Input"]["Assets"] == [train]
    assert described["TestingDataResult"]["Input"] == {"AutoCreate": True}
    _, lines = await lab.taken()

    assert sorted(line["part"] for line in lines) == ["train"] * 8 + ["valid"] * 2
    (project,) = (await lab.rekognition.describe_projects())["ProjectDescriptions"]
    assert project["Datasets"] == []


async def test_manifests_of_its_own_that_will_not_do_fail_the_version(lab: Colours) -> None:
    good = await lab.bucket.manifest(await lab.lines(red=2, green=2), "good.manifest")
    broken = await lab.bucket.manifest(["{}"], "broken.manifest")
    one = await lab.bucket.manifest(await lab.lines(red=2), "one.manifest")

    first = await lab.order("1", TrainingData={"Assets": [good]}, TestingData={"Assets": [broken]})
    assert "ERROR_TOO_MANY_RECORDS_IN_ERROR" in (await lab.reaches(first, "TRAINING_FAILED"))["StatusMessage"]
    second = await lab.order("2", TrainingData={"Assets": [one]}, TestingData={"Assets": [good]})
    assert "ERROR_MANIFEST_TOO_FEW_LABELS" in (await lab.reaches(second, "TRAINING_FAILED"))["StatusMessage"]


async def test_the_older_form_is_given_whole_or_not_at_all(lab: Colours) -> None:
    asset = await lab.bucket.manifest(await lab.lines(red=1, green=1))
    missing = {"GroundTruthManifest": {"S3Object": {"Bucket": lab.bucket.name, "Name": "missing"}}}
    data = {"Assets": [asset]}

    for changes in (
        {"TrainingData": data},
        {"TestingData": data},
        {"TrainingData": data, "TestingData": {**data, "AutoCreate": True}},
        {"TrainingData": {"Assets": [asset, asset]}, "TestingData": data},
        {"TrainingData": {"Assets": [missing]}, "TestingData": data},
    ):
        assert (await lab.refusal(**changes)).startswith("InvalidParameterException")
    await lab.dataset("TRAIN", await lab.lines(red=1))
    assert "for projects without data sets" in await lab.refusal(TrainingData=data, TestingData=data)


async def test_versions_are_listed_newest_first_page_by_page(lab: Colours, runtime: app.Runtime) -> None:
    for number in range(5):
        await add_version(runtime, f"v{number}")
    pages = lab.rekognition.client.get_paginator("describe_project_versions")

    found = await asyncio.to_thread(lambda: list(pages.paginate(ProjectArn=lab.arn, PaginationConfig={"PageSize": 2})))
    listed = [each["ProjectVersionArn"].split("/")[-2] for page in found for each in page["ProjectVersionDescriptions"]]
    assert listed == ["v4", "v3", "v2", "v1", "v0"]
    some = await lab.rekognition.describe_project_versions(ProjectArn=lab.arn, VersionNames=["v1", "v9"])
    assert len(some["ProjectVersionDescriptions"]) == 1
    said = await lab.rekognition.fails("describe_project_versions", ProjectArn=lab.arn, NextToken="x" * 8)
    assert said.startswith("InvalidPaginationTokenException")


async def test_a_deleted_version_is_gone_and_its_project_can_go(lab: Colours, runtime: app.Runtime) -> None:
    await lab.datasets()
    arn = await lab.order()
    busy = await lab.rekognition.fails("delete_project_version", ProjectVersionArn=arn)
    assert busy == "ResourceInUseException: The version is TRAINING_IN_PROGRESS: wait for the end of that first."
    await lab.deliver()
    await lab.reaches(arn, "TRAINING_COMPLETED")

    assert (await lab.rekognition.delete_project_version(ProjectVersionArn=arn))["Status"] == "DELETING"

    assert await versions(runtime) == []
    assert (await lab.rekognition.fails("delete_project_version", ProjectVersionArn=arn)).startswith("ResourceNotFound")
    assert (await lab.rekognition.delete_project(ProjectArn=lab.arn))["Status"] == "DELETING"


async def test_a_copy_is_a_model_of_its_own(lab: Colours, runtime: app.Runtime) -> None:
    await lab.datasets()
    source = await lab.order()
    await lab.deliver()
    await lab.reaches(source, "TRAINING_COMPLETED")
    target = (await lab.rekognition.create_project(ProjectName="other"))["ProjectArn"]

    made = await lab.rekognition.copy_project_version(
        SourceProjectArn=lab.arn, SourceProjectVersionArn=source, DestinationProjectArn=target, VersionName="copy",
        OutputConfig={"S3Bucket": lab.bucket.name, "S3KeyPrefix": "copied/"},
    )  # fmt: skip
    described = await lab.reaches(made["ProjectVersionArn"], "COPYING_COMPLETED", target)
    assert described["SourceProjectVersionArn"] == source
    assert described["EvaluationResult"]["F1Score"] == 0.5
    assert described["EvaluationResult"]["Summary"]["S3Object"]["Name"].startswith("copied/")
    assert await lab.bucket.get(described["EvaluationResult"]["Summary"]["S3Object"]["Name"])
    copied = next(row for row in await versions(runtime) if row.name == "copy")
    for name, file in copied.files.items():
        assert file.key.startswith("other/")
        assert len(await runtime.storage.get(file.key)) == file.size, name


async def test_what_cannot_be_copied_says_why(lab: Colours, runtime: app.Runtime) -> None:
    trained = await lab.trained()
    failed = await add_version(runtime, "failed", status="TRAINING_FAILED", files={})
    other = (await lab.rekognition.create_project(ProjectName="other"))["ProjectArn"]
    await add_version(runtime, "taken", "other")

    async def copy(**changes: Any) -> str:
        request = {"SourceProjectArn": lab.arn, "SourceProjectVersionArn": trained, "DestinationProjectArn": other,
                   "VersionName": "copy", "OutputConfig": lab.output}  # fmt: skip
        return (await lab.rekognition.fails("copy_project_version", **{**request, **changes})).partition(":")[0]

    assert await copy(DestinationProjectArn=lab.arn) == "InvalidParameterException"
    assert await copy(SourceProjectArn=other) == "InvalidParameterException"
    assert await copy(SourceProjectVersionArn=failed) == "InvalidParameterException"
    assert await copy(VersionName="taken") == "ResourceInUseException"
    assert await copy(SourceProjectVersionArn=trained.replace("/1/", "/9/")) == "ResourceNotFoundException"


async def test_a_fleets_own_model_is_a_version_too(lab: Colours, runtime: app.Runtime) -> None:
    await add_version(runtime, "v2")  # somebody's own name
    async with roles.arranging(runtime).begin() as session:
        for number in (1, 2):
            model = await factories.make_model(session, number, colours.PROJECT, "refused")
            model.reasons = ["not better"]
            session.add(
                tables.Evaluation(
                    project=colours.PROJECT, model_version=number, part="base",
                    metrics=judged.metrics([], images=3, answers={"f1": 0.75, "precision": 0.7, "recall": 0.8, "unanswered": 0, "labels": {}}),
                )
            )  # fmt: skip
            happened = events.ModelRegistered(project=colours.PROJECT, run_id=model.run_id, model_version=number)
            await outbox.add(session, happened)
        await outbox.add(session, events.TrainingFailed(project=colours.PROJECT, run_id=ids.uuid7(), reason="x"))

    async def both() -> list[tables.ProjectVersion]:
        found = [row for row in await versions(runtime) if row.run_id]
        return found if len(found) == 2 else []

    await wait.until(both)
    answer = await lab.rekognition.describe_project_versions(ProjectArn=lab.arn, VersionNames=["v1", "v2.fleet"])
    for described in answer["ProjectVersionDescriptions"]:
        assert (described["Status"], described["StatusMessage"]) == ("TRAINING_COMPLETED", "not better")
        assert described["EvaluationResult"] == {"F1Score": 0.75}


async def test_a_version_is_not_ordered_while_entries_move_between_its_data_sets(
    lab: Colours, runtime: app.Runtime
) -> None:
    await lab.datasets()
    async with roles.arranging(runtime).begin() as session:
        rows = await session.scalars(select(tables.HostedDataset).with_for_update())
        for row in rows:
            row.status = states.DatasetStatus.UPDATE_IN_PROGRESS
        await session.flush()
        request = {"ProjectArn": lab.arn, "VersionName": "1", "OutputConfig": lab.output}
        ordering = asyncio.create_task(lab.rekognition.fails("create_project_version", **request))
        await asyncio.wait([ordering], timeout=0.3)
        assert not ordering.done()  # it waits for the rows

    assert (await ordering).startswith("ResourceInUseException: The training data set is UPDATE_IN_PROGRESS")
    assert await versions(runtime) == []
