"""`strop datasets import --auto-label`: folders of images become a data set of the Custom Labels API.

It uses that API and S3 as the AWS CLI does: with the AWS credentials and endpoints of the environment.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiobotocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from console import autolabel
from strop import storage
from strop_cli import connection, progress, tree, upload
from strop_contracts import errors

_KEPT = "kept in the data set, not in the folder any more (`aws s3 rm` and a new data set take them out)"


@dataclass(frozen=True)
class Order:
    """The arguments of the command."""

    project: str | None
    source: str  # s3://BUCKET/FOLDER/ or a local folder
    kind: str  # "TRAIN" or "TEST"
    called: Mapping[str, str]  # folder -> label, where they differ
    bucket: str | None  # for a local folder's images
    create: bool


def labels(names: Path | None) -> dict[str, str]:
    """Return the labels of folders that have another name, from a `cat_to_name.json`."""
    return autolabel.names(names.read_bytes()) if names else {}


def run(order: Order, state: Path | None) -> bool:
    """Import, print progress and outcome; returns whether every image was accepted."""
    if state:
        connection.load(state)
    return asyncio.run(_run(order))


async def _run(order: Order) -> bool:
    async with _clients() as (client, own):
        name, arn = await _project(client, order)
        place, unused = await _place(own, order, name)
        begun = await autolabel.begin(client, own.at(place.bucket), arn, order.kind, place.prefix, order.called)
        with progress.shown(len(begun.listing.images), "checked") as report:
            taken = await autolabel.finish(client, begun.dataset, report)
    print(
        *unused.report(),
        *_others(begun.listing, unused.keys(place.prefix)),
        *summary(name, order.kind, begun, taken),
        sep="\n",
    )
    return taken.complete and not taken.bad and not unused.problems


def _others(listing: autolabel.Listing, files: Mapping[str, Path]) -> list[str]:
    """Name the images of earlier imports that are not in the local folder any more; nothing when there is no such folder."""
    others = sorted(listing.images.keys() - files.keys()) if files else []
    return [tree.counted(_KEPT, others)] if others else []


def summary(project: str, kind: str, begun: autolabel.Begun, taken: autolabel.Taken) -> list[str]:
    """Describe the outcome of an import in lines."""
    stats, lines = taken.description["DatasetStats"], [f"bad {source}: {why}" for source, why in taken.bad]
    lines += tree.left_out(begun.listing.left_out)
    lines.append(
        f"{project} {kind}: {stats['TotalEntries']} images, {stats['LabeledEntries']} of them with one of "
        f"{stats['TotalLabels']} labels, {stats['ErrorEntries']} bad; manifest {begun.manifest}"
    )
    if not taken.complete:
        lines.append(f"{taken.description['Status']}: {taken.description.get('StatusMessage', '')}")
    return lines


@asynccontextmanager
async def _clients() -> AsyncIterator[tuple[Any, storage.Storage]]:
    """Open the Custom Labels API and the bucket of Strop. Raises StropError with the code of an error response."""
    style = {"addressing_style": "path"} if "AWS_ENDPOINT_URL_S3" in os.environ else {}
    session = aiobotocore.session.get_session()
    try:
        async with (
            session.create_client("rekognition") as client,
            session.create_client("s3", config=Config(signature_version="s3v4", s3=style)) as s3,
        ):
            yield client, storage.Storage(s3, s3, os.environ.get("STROP_BUCKET", "strop"))
    except ClientError as error:
        response = error.response["Error"]
        raise errors.StropError(f"{error.operation_name}: {response['Code']}: {response.get('Message', '')}") from error
    except BotoCoreError as error:
        raise errors.StropError(f"cannot use S3 and the Custom Labels API: {error}") from error


async def _project(client: Any, order: Order) -> tuple[str, str]:
    """Return name and ARN of the project, which is created with --create."""
    found = {name: each["ProjectArn"] for name, each in (await autolabel.projects(client)).items()}
    name = order.project or only(list(found))
    if name not in found and order.create:
        found[name] = (await client.create_project(ProjectName=name))["ProjectArn"]
    if name not in found:
        raise errors.NotFound(f"there is no project {name}: --create creates it")
    return name, found[name]


def only(projects: list[str]) -> str:
    """Return the only project. Raises Refused if there is none, or several."""
    if not projects:
        raise errors.Refused("there is no project yet: give its name before the folder, and --create")
    if len(projects) > 1:
        raise errors.Refused(f"name the project, before the folder: {', '.join(sorted(projects))}")
    return projects[0]


async def _place(own: storage.Storage, order: Order, project: str) -> tuple[autolabel.Place, tree.Tree]:
    """Return where the images are in S3, and what of a local folder is not used; its images are uploaded first."""
    if order.source.startswith("s3://"):
        return autolabel.place(order.source), tree.Tree()
    place = autolabel.Place(order.bucket or own.bucket, f"{project}/import/{order.kind.lower()}/")
    found = look(Path(order.source))
    files = found.keys(place.prefix)
    with progress.shown(len(files), "uploaded") as report:
        unreadable = await upload.put(own.at(place.bucket), files, report)
    found.problems.update({tree.shown(key.removeprefix(place.prefix)): why for key, why in unreadable.items()})
    return place, found


def look(folder: Path) -> tree.Tree:
    """Find the images of a folder. Raises Refused if there is none."""
    found = tree.walk(folder, autolabel.TYPES)
    if not found.files:
        expected = f"{folder} has no images: expected {folder}/LABEL/*.jpg or *.png"
        raise errors.Refused("\n".join([*found.report(), expected]))
    return found
