"""The Custom Labels API, as any client uses it: whatever the console changes goes through it.

Needs `rekognition:DescribeProjects, DescribeProjectVersions, StartProjectVersion, StopProjectVersion, DetectCustomLabels`,
for the button that trains `CreateProjectVersion`, and for the import page `CreateProject` and what console.autolabel names.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiobotocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from console import autolabel, rules
from strop import storage
from strop_contracts import errors

Names = Mapping[str, str]
"""From folders to labels, where they are called otherwise."""


class Rekognition:
    """One client for all requests, open while `run` does."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._client: Any = None

    @property
    def ready(self) -> bool:
        return self.url is None or self._client is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the client open until `stop`. Without an address there is none: pages can still be read."""
        if self.url is not None:
            config = Config(retries={"mode": "standard", "max_attempts": 2}, connect_timeout=3, read_timeout=60)
            session = aiobotocore.session.get_session()
            async with session.create_client("rekognition", endpoint_url=self.url, config=config) as self._client:
                await stop.wait()
        self._client = None

    async def project_arn(self, project: str) -> str:
        """Return the ARN of a project; NotFound if the API has none of this name."""
        async with self._asked() as client:
            answer = await client.describe_projects(ProjectNames=[project])
        for found in answer["ProjectDescriptions"]:
            return str(found["ProjectArn"])
        raise errors.NotFound(f"The Custom Labels service has no project {project}.")

    async def version_arn(self, project: str, version: str) -> str:
        arn = await self.project_arn(project)
        async with self._asked() as client:
            answer = await client.describe_project_versions(ProjectArn=arn, VersionNames=[version])
        for found in answer["ProjectVersionDescriptions"]:
            return str(found["ProjectVersionArn"])
        raise errors.NotFound(f"The Custom Labels service has no version {version} of {project}.")

    async def start(self, arn: str, units: int, most: int) -> None:
        """Start with `units` inference units; with load they grow up to `most`."""
        async with self._asked() as client:
            await client.start_project_version(
                ProjectVersionArn=arn, MinInferenceUnits=units, MaxInferenceUnits=max(units, most)
            )

    async def stop(self, arn: str) -> None:
        async with self._asked() as client:
            await client.stop_project_version(ProjectVersionArn=arn)

    async def detect(self, arn: str, image: bytes, **wanted: Any) -> list[dict[str, Any]]:
        """Labels of an image, best first: [{"Name", "Confidence" (0-100)}]."""
        async with self._asked() as client:
            answer = await client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image}, **wanted)
        found: list[dict[str, Any]] = answer["CustomLabels"]
        return found

    async def import_folder(self, project: str, kind: str, bucket: storage.Storage, prefix: str, names: Names) -> None:
        """Hand a folder over as the project's TRAIN or TEST set; the project is made when it is new."""
        async with self._asked() as client:
            if project not in await autolabel.projects(client):
                await client.create_project(ProjectName=project)
            await autolabel.begin(client, bucket, await self.project_arn(project), kind, prefix, names)

    async def train(self, project: str, version: str, bucket: str, prefix: str) -> None:
        """Begin the training of a new version; its evaluation files go to the prefix."""
        arn = await self.project_arn(project)
        output = {"S3Bucket": bucket, "S3KeyPrefix": prefix}
        async with self._asked() as client:
            await client.create_project_version(ProjectArn=arn, VersionName=version, OutputConfig=output)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Any]:
        """The client; an error response becomes Refused, with what to change."""
        if self._client is None:
            raise errors.Refused(rules.NO_ENDPOINT)
        try:
            yield self._client
        except ClientError as error:
            raise errors.Refused(rules.advice(error.response["Error"])) from error
        except BotoCoreError as error:
            raise errors.Refused(f"The Custom Labels service at {self.url} does not answer: {error}") from error
