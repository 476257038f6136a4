"""Data sets through boto3: what a manifest becomes, what is refused, what is split and copied."""

import json
from collections import Counter
from typing import Any

from strop import app, storage
from strop_contracts import keys, tables
from tests import factories, roles
from tests.integration.custom_labels.conftest import Bucket, Rekognition, Source

ROSES = 20


async def test_a_manifest_becomes_a_data_set(
    rekognition: Rekognition, project: str, bucket: Bucket, runtime: app.Runtime
) -> None:
    labels = ("rose", "tulip", "rose", None)
    lines = [await bucket.line(f"{label}/{seed}.jpg", label, seed) for seed, label in enumerate(labels)]
    arn, described = await rekognition.dataset(project, await bucket.manifest(lines))

    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert described["DatasetStats"] == {"LabeledEntries": 3, "TotalEntries": 4, "TotalLabels": 2, "ErrorEntries": 0}
    entries = await rekognition.entries(arn)
    assert [entry.pop("cl-metadata")["is_labeled"] for entry in entries] == [True, True, True, False]
    assert entries == [json.loads(line) for line in lines]
    labels_found = (await rekognition.list_dataset_labels(DatasetArn=arn))["DatasetLabelDescriptions"]
    assert [(each["LabelName"], each["LabelStats"]["EntryCount"]) for each in labels_found] == [
        ("rose", 2),
        ("tulip", 1),
    ]
    body = factories.picture(0, (80, 64))
    assert await runtime.storage.get(keys.image("flowers", storage.digest(body))) == body
    async with roles.arranging(runtime)() as session:
        image = await session.get_one(tables.HostedImage, ("flowers", storage.digest(body)))
    assert (image.size, image.content_type, image.width, image.height) == (len(body), "image/jpeg", 80, 64)
    (in_project,) = (await rekognition.describe_projects())["ProjectDescriptions"]
    assert [(each["DatasetArn"], each["DatasetType"]) for each in in_project["Datasets"]] == [(arn, "TRAIN")]


async def test_lines_with_errors_are_listed_with_their_codes(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    good = [await bucket.line(f"{seed}.jpg", "rose", seed) for seed in range(ROSES)]
    await bucket.put("small.jpg", factories.picture(1, (63, 64)))
    again = [good[0], bucket.text("1.jpg", "tulip", confidence=2)]
    bad = [bucket.text("missing.jpg", "rose"), "{", bucket.text("small.jpg", "rose"), *again]
    arn, described = await rekognition.dataset(project, await bucket.manifest([*good, *bad]))

    assert described["Status"] == "CREATE_COMPLETE"
    stats = {"LabeledEntries": ROSES, "TotalEntries": ROSES + 5, "TotalLabels": 1, "ErrorEntries": 5}
    assert described["DatasetStats"] == stats
    listed = await rekognition.entries(arn, HasErrors=True)
    assert [entry["cl-errors"][-1]["code"] for entry in listed] == [
        "ERROR_INVALID_IMAGE",
        "ERROR_INVALID_JSON_LINE",
        "ERROR_INVALID_IMAGE_DIMENSION",
        "ERROR_DUPLICATE_SOURCE_REF",
        "ERROR_DUPLICATE_SOURCE_REF",
    ]
    assert len(await rekognition.entries(arn, HasErrors=False)) == ROSES


async def test_labels_have_one_spelling_and_what_is_refused_is_an_error_of_its_line(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    told = ["N/A", "rose", "rose ", "eau\u00a0plate", "\u06af\u0644\u200c\u0631\u0632", "a\u202eb"]
    lines = [await bucket.line(f"{seed}.jpg", label, seed) for seed, label in enumerate(told)]
    arn, described = await rekognition.dataset(project, await bucket.manifest(lines))

    assert (described["Status"], described["DatasetStats"]["ErrorEntries"]) == ("CREATE_COMPLETE", 1)
    listed = (await rekognition.list_dataset_labels(DatasetArn=arn))["DatasetLabelDescriptions"]
    counts = {each["LabelName"]: each["LabelStats"]["EntryCount"] for each in listed}
    assert counts == {"N/A": 1, "rose": 2, "eau plate": 1, "\u06af\u0644\u200c\u0631\u0632": 1}
    assert len(await rekognition.entries(arn, ContainsLabels=["rose "])) == 2
    (bad,) = await rekognition.entries(arn, HasErrors=True)
    (error,) = bad["kind-metadata"]["cl-errors"]
    assert error["code"] == "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    assert "holds U+202E (RIGHT-TO-LEFT OVERRIDE)" in error["message"]


async def test_too_many_bad_lines_fail_the_data_set_with_their_codes(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    lines = [await bucket.line("a.jpg", "rose"), bucket.text("missing.jpg", "rose")]
    source = await bucket.manifest(lines)
    arn, described = await rekognition.dataset(project, source)

    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert described["StatusMessage"].startswith("ERROR_TOO_MANY_RECORDS_IN_ERROR: ")
    assert "1 of 2 lines cannot be used: ERROR_INVALID_IMAGE 1" in described["StatusMessage"]
    (bad,) = await rekognition.entries(arn, HasErrors=True)
    assert bad["source-ref"].endswith("/missing.jpg")
    update = {"DatasetArn": arn, "Changes": {"GroundTruth": lines[0].encode()}}
    assert "InvalidParameterException" in await rekognition.fails("update_dataset_entries", **update)
    twice = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": source}
    assert "ResourceAlreadyExistsException" in await rekognition.fails("create_dataset", **twice)
    await rekognition.delete_dataset(DatasetArn=arn)
    _, again = await rekognition.dataset(project, await bucket.manifest(lines[:1]))
    assert again["Status"] == "CREATE_COMPLETE"
    assert "ResourceNotFoundException" in await rekognition.fails("describe_dataset", DatasetArn=arn)


MULTILABEL = "groundtruth/image-classification-multilabel"
UNSUPPORTED = ["ERROR_UNSUPPORTED_USE_CASE_TYPE", "ERROR_NO_VALID_LABEL_ATTRIBUTES"]


def coded(entry: dict[str, Any]) -> list[str]:
    """The codes of a listed line: those of its attributes, then its own."""
    of_attributes = [each["cl-errors"] for each in entry.values() if isinstance(each, dict) and "cl-errors" in each]
    return [error["code"] for errors in [*of_attributes, entry["cl-errors"]] for error in errors]


async def test_lines_of_another_kind_are_refused_one_by_one_when_the_data_set_is_made(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    good = [await bucket.line("a.jpg", "rose"), bucket.text("b.jpg", "tulip", type=MULTILABEL)]
    await bucket.put("b.jpg", factories.picture(2, (80, 64)))
    both = json.loads(bucket.text("both.jpg", "rose"))
    both |= {"more": 1, "more-metadata": both["kind-metadata"] | {"class-name": "tulip"}}
    boxes = bucket.text("boxes.jpg", "rose", type="groundtruth/object-detection")
    arn, described = await rekognition.dataset(project, await bucket.manifest([*good, json.dumps(both), boxes]))

    assert described["Status"] == "CREATE_COMPLETE"
    assert described["StatusMessage"] == (
        "The dataset was successfully created. 2 of 4 lines cannot be used: ERROR_UNSUPPORTED_USE_CASE_TYPE 2."
    )
    assert described["DatasetStats"] == {"LabeledEntries": 2, "TotalEntries": 4, "TotalLabels": 2, "ErrorEntries": 2}
    listed = await rekognition.entries(arn, HasErrors=True)
    assert [entry["source-ref"].rpartition("/")[2] for entry in listed] == ["both.jpg", "boxes.jpg"]
    assert [coded(entry) for entry in listed] == [UNSUPPORTED, UNSUPPORTED]


async def test_a_data_set_of_another_kind_altogether_fails_when_it_is_made(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    boxes = bucket.text("boxes.jpg", "rose", type="groundtruth/object-detection")
    _, described = await rekognition.dataset(project, await bucket.manifest([boxes]))

    assert described["Status"] == "CREATE_FAILED"
    assert "1 of 1 lines cannot be used: ERROR_UNSUPPORTED_USE_CASE_TYPE 1" in described["StatusMessage"]


async def test_a_manifest_that_breaks_a_rule_as_a_whole_fails(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    one = await bucket.line("a.jpg", "rose")
    other = one.replace(f"s3://{bucket.name}/", "s3://another-bucket/")
    many = [bucket.text(f"{number}.jpg", f"label {number}") for number in range(251)]
    for lines, code in (
        ([], "ERROR_EMPTY_MANIFEST"),
        ([one, other], "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"),
        (many, "ERROR_MANIFEST_TOO_MANY_LABELS"),
    ):
        arn, described = await rekognition.dataset(project, await bucket.manifest(lines))

        assert described["Status"] == "CREATE_FAILED"
        assert described["StatusMessage"].startswith(f"{code}: ")
        await rekognition.delete_dataset(DatasetArn=arn)


async def test_a_source_that_cannot_be_had_makes_no_data_set(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    source = await bucket.manifest([await bucket.line("a.jpg", "rose")])
    named = source["GroundTruthManifest"]["S3Object"]

    async def failing(wrong: Source) -> str:
        request = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": wrong}
        return (await rekognition.fails("create_dataset", **request)).partition(":")[0]

    for changed in ({"Name": "missing"}, {"Bucket": "nobody-has-this-one"}, {"Bucket": "_._"}):
        wrong = {"GroundTruthManifest": {"S3Object": named | changed}}
        assert await failing(wrong) == "InvalidS3ObjectException"
    assert await failing({"GroundTruthManifest": {}}) == "InvalidParameterException"
    assert await failing({"GroundTruthManifest": {"S3Object": {"Name": "a"}}}) == "InvalidParameterException"
    unknown = project.replace("/flowers/", "/flowers/dataset/train/")
    assert await failing({"DatasetArn": unknown}) == "ResourceNotFoundException"
    assert await failing({**source, "DatasetArn": unknown}) == "InvalidParameterException"
    (described,) = (await rekognition.describe_projects())["ProjectDescriptions"]
    assert described["Datasets"] == []


async def test_a_fifth_of_each_label_moves_into_an_empty_test_set(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    lines = [await bucket.line(f"{label}{seed}.jpg", label, seed) for label in ("rose", "tulip") for seed in range(10)]
    train, _ = await rekognition.dataset(project, await bucket.manifest(lines))
    test = (await rekognition.create_dataset(ProjectArn=project, DatasetType="TEST"))["DatasetArn"]
    both = {"Datasets": [{"Arn": test}, {"Arn": train}]}

    assert "InvalidParameterException" in await rekognition.fails(
        "distribute_dataset_entries", Datasets=[{"Arn": train}, {"Arn": train}]
    )
    await rekognition.distribute_dataset_entries(**both)

    moved, kept = await rekognition.settled(test), await rekognition.settled(train)
    assert {moved["Status"], kept["Status"]} == {"UPDATE_COMPLETE"}
    assert (moved["DatasetStats"]["TotalEntries"], kept["DatasetStats"]["TotalEntries"]) == (4, 16)
    tested = Counter(entry["kind-metadata"]["class-name"] for entry in await rekognition.entries(test))
    assert tested == {"rose": 2, "tulip": 2}
    failed = await rekognition.fails("distribute_dataset_entries", **both)
    assert failed.startswith("InvalidParameterException: The test data set must be empty")


async def test_too_few_images_to_split_fail_both_and_change_nothing(
    rekognition: Rekognition, project: str, bucket: Bucket
) -> None:
    train, _ = await rekognition.dataset(project, await bucket.manifest([await bucket.line("a.jpg", "rose")]))
    test = (await rekognition.create_dataset(ProjectArn=project, DatasetType="TEST"))["DatasetArn"]

    await rekognition.distribute_dataset_entries(Datasets=[{"Arn": test}, {"Arn": train}])

    for arn, count in ((test, 0), (train, 1)):
        described = await rekognition.settled(arn)
        assert described["Status"] == "UPDATE_FAILED"
        assert described["StatusMessage"].startswith("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE: ")
        assert described["DatasetStats"]["TotalEntries"] == count


async def test_a_data_set_is_copied_into_another_project_with_its_images(
    rekognition: Rekognition, project: str, bucket: Bucket, runtime: app.Runtime
) -> None:
    good = [await bucket.line(f"{seed}.jpg", "rose", seed) for seed in range(5)]
    arn, _ = await rekognition.dataset(project, await bucket.manifest([*good, "{"]))
    other = (await rekognition.create_project(ProjectName="other"))["ProjectArn"]

    copy, described = await rekognition.dataset(other, {"DatasetArn": arn}, "TEST")

    assert described["Status"] == "CREATE_COMPLETE"
    assert described["DatasetStats"] == {"LabeledEntries": 5, "TotalEntries": 6, "TotalLabels": 1, "ErrorEntries": 1}
    assert await rekognition.entries(copy) == await rekognition.entries(arn)
    for seed in range(5):
        sha256 = storage.digest(factories.picture(seed, (80, 64)))
        assert await runtime.storage.size(keys.image("other", sha256))
        async with roles.arranging(runtime)() as session:
            await session.get_one(tables.HostedImage, ("other", sha256))
