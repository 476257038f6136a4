"""A project about colours, and a trainer that delivers at once: a tiny model of the real format, with made-up figures."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from custom_labels.api import arns
from custom_labels.settings import Settings
from strop import app, outbox, storage
from strop_contracts import documents, events, tables
from tests import factories, judged, roles, wait
from tests.integration.custom_labels.conftest import Bucket, Rekognition
from tests.unit.edge import packages

PROJECT = "colours"
OUTPUT_PREFIX = "results"


class Colours:
    """What the tests of versions arrange."""

    def __init__(self, runtime: app.Runtime, rekognition: Rekognition, bucket: Bucket) -> None:
        self.runtime, self.rekognition, self.bucket = runtime, rekognition, bucket
        self.arn = ""  # of the project
        self._seed = 0

    @property
    def output(self) -> dict[str, str]:
        return {"S3Bucket": self.bucket.name, "S3KeyPrefix": OUTPUT_PREFIX}

    async def project(self, name: str = PROJECT) -> str:
        self.arn = (await self.rekognition.create_project(ProjectName=name))["ProjectArn"]
        return self.arn

    async def lines(self, **counts: int) -> list[str]:
        """Lines of new images, so many of each label."""
        made = []
        for label, count in counts.items():
            for _ in range(count):
                self._seed += 1
                made.append(await self.bucket.line(f"{label}/{self._seed}.jpg", label, self._seed))
        return made

    async def dataset(self, kind: str, lines: list[str]) -> str:
        """Make a data set of the project and wait until it is there."""
        source = await self.bucket.manifest(lines, f"{kind}.manifest")
        made = await self.rekognition.create_dataset(ProjectArn=self.arn, DatasetType=kind, DatasetSource=source)
        arn: str = made["DatasetArn"]
        described: dict[str, Any] = {"Status": ""}
        while not described["Status"].startswith("CREATE_C"):
            described = (await self.rekognition.describe_dataset(DatasetArn=arn))["DatasetDescription"]
        return arn

    async def datasets(self) -> None:
        await self.dataset("TRAIN", await self.lines(red=2, green=2))
        await self.dataset("TEST", await self.lines(red=1, green=1))

    async def order(self, name: str = "1", **changes: Any) -> str:
        request = {"ProjectArn": self.arn, "VersionName": name, "OutputConfig": self.output, **changes}
        return str((await self.rekognition.create_project_version(**request))["ProjectVersionArn"])

    async def refusal(self, name: str = "1", **changes: Any) -> str:
        """Code and message of an order that is refused."""
        request = {"ProjectArn": self.arn, "VersionName": name, "OutputConfig": self.output, **changes}
        return await self.rekognition.fails("create_project_version", **request)

    async def version(self, arn: str, project: str | None = None) -> dict[str, Any]:
        """The description of a version."""
        name = arn.split("/")[-2]
        answer = await self.rekognition.describe_project_versions(ProjectArn=project or self.arn, VersionNames=[name])
        return dict(answer["ProjectVersionDescriptions"][0])

    async def reaches(self, arn: str, status: str, project: str | None = None) -> dict[str, Any]:
        """Wait for a status; returns the version's description then."""

        async def look() -> dict[str, Any] | None:
            found = await self.version(arn, project)
            return found if found["Status"] == status else None

        return await wait.until(look)

    async def taken(self) -> tuple[events.TrainingOrdered, list[dict[str, Any]]]:
        """The next order at the trainer's queue, and the lines of its manifest."""
        (ordered,) = await wait.for_events(self.runtime, "trainer")
        assert isinstance(ordered, events.TrainingOrdered)
        body = await self.runtime.storage.get(ordered.manifest)
        return ordered, [json.loads(line) for line in body.splitlines()]

    async def deliver(self, *skipped: int) -> None:
        """Play the trainer: a model for the next order, which knows every test image but the first.

        It left out the images of these lines of the order.
        """
        ordered, lines = await self.taken()
        left_out = [{**lines[number], "reason": "cannot be decoded"} for number in skipped]
        lines = [line for number, line in enumerate(lines) if number not in skipped]
        outcomes = [
            factories.outcome(
                line["sha256"], line["label"], [line["label"]] if number else [], {"red": 0.6, "green": 0.4}
            )
            for number, line in enumerate(line for line in lines if line["part"] == "valid")
        ]  # fmt: skip
        key = f"{ordered.project}/outcomes.jsonl"
        await self.runtime.storage.put(key, documents.lines(outcomes))
        async with roles.arranging(self.runtime).begin() as session:
            run = {"id": ordered.run_id, "project": ordered.project, "state": "succeeded", "trigger": "order"}
            session.add(tables.TrainingRun(**run, manifest=ordered.manifest))
            await session.flush()
            session.add(await self._model(ordered))
            figures = {"f1": 0.5, "precision": 1.0, "recall": 0.5, "unanswered": 1}
            answers = {**figures, "labels": {"red": FIGURES, "green": FIGURES}}
            session.add(
                tables.Evaluation(
                    project=ordered.project, model_version=1, part="base",
                    metrics=judged.metrics([], images=len(outcomes), answers=answers, skipped=left_out), outcomes_key=key,
                )
            )  # fmt: skip
            done = events.ModelRegistered(project=ordered.project, run_id=ordered.run_id, model_version=1)
            await outbox.add(session, done)

    async def _model(self, ordered: events.TrainingOrdered) -> tables.ModelVersion:
        return tables.ModelVersion(
            project=ordered.project, version=1, run_id=ordered.run_id, dataset_version=1, state="hosted", reasons=[],
            labels=["red", "green"], files=await stored(self.runtime, ordered.project),
        )  # fmt: skip

    async def trained(self, name: str = "1") -> str:
        """A version that could be started, without the way to it."""
        return await add_version(self.runtime, name)


FIGURES = {
    "images": 1, "true_positives": 1, "false_positives": 0, "false_negatives": 1, "precision": 1.0, "recall": 0.5, "f1": 0.6, "threshold": 0.3,
}  # fmt: skip


async def stored(
    runtime: app.Runtime, project: str, make: Callable[..., packages.Package] = packages.package, **changes: Any
) -> dict[str, Any]:
    """Put the files of a tiny model; returns what a row says of them. `changes` replace keys of model.json."""
    package = make(**{"assumed_thresholds": {"red": 0.5, "green": 0.5, "blue": 0.5}, **changes})
    files: dict[str, dict[str, Any]] = {}
    for name, body in package.contents.items():
        files[name] = {"sha256": storage.digest(body), "size": len(body), "key": f"{project}/models/v1/{name}"}
        await runtime.storage.put(files[name]["key"], body)
    return files


async def add_version(runtime: app.Runtime, name: str = "1", project: str = PROJECT, **columns: Any) -> str:
    """Write a version with a tiny model; returns its ARN."""
    files = columns.pop("files") if "files" in columns else await stored(runtime, project)
    values = {"status": "TRAINING_COMPLETED", "output": {}, "files": files, **columns}
    async with roles.arranging(runtime).begin() as session:
        if not await session.get(tables.Project, project):
            session.add(tables.Project(name=project))
            await session.flush()
        session.add(row := tables.ProjectVersion(project=project, name=name, **values))
        await session.flush()
        return arns.version(Settings(), row)


def strange_head(novelty: float) -> bytes:
    """The tiny model's head, with the same novelty for every image."""
    head = onnx.load_from_string(packages.head())
    nodes = [
        helper.make_node("Mul", ["features", "nothing"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], axes=[1], keepdims=0),
        helper.make_node("Add", ["zero", "strangeness"], ["novelty"]),
    ]
    head.graph.node.extend(nodes)
    head.graph.initializer.extend(
        numpy_helper.from_array(np.full(1, value, np.float32), name)
        for name, value in (("nothing", 0.0), ("strangeness", novelty))
    )
    head.graph.output.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["n"]))
    return bytes(head.SerializeToString())
