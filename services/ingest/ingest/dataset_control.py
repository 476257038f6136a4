"""Control routes of base data sets: upload images, return their outcomes, remove images, compare rows with the bucket.

Routes that call S3 hold no transaction meanwhile.
"""

import asyncio
from collections.abc import Iterable

from sqlalchemy import func, select

from ingest import dataset_check, dataset_images, enrolment, image_store, object_keys, queries
from strop import control, sqs, storage
from strop_contracts import control as documents
from strop_contracts import errors, keys
from strop_wire import topics

router = control.routes("ingest", "/projects/{project}/datasets")

_PARALLEL = 8  # objects removed at a time


@router.post("/{dataset}/uploads", status_code=201)
async def upload(project: str, dataset: str, wanted: documents.NewFiles, runtime: control.Runtime) -> documents.Uploads:
    """Return presigned PUTs for the files that are not stored with these bytes."""
    named = _named(project, dataset, [file.path for file in wanted.files])
    files = {key: file for (key, _), file in zip(named, wanted.files, strict=True)}
    async with runtime.sessions() as session:
        await enrolment.require_project(session, project)
        at = (await session.execute(select(func.now()))).scalar_one()
        stored = await queries.dataset_items.hashes(session, project, list(files))
    new = [(key, file) for key, file in files.items() if stored.get(key) != file.sha256]
    return documents.Uploads(at=at, uploads=[await _presigned(runtime.storage, key, file) for key, file in new])


@router.post("/{dataset}/outcomes")
async def outcomes(
    project: str, dataset: str, uploaded: documents.Uploaded, session: control.Session
) -> documents.Outcomes:
    """Return the outcomes of uploaded files, as far as they are known."""
    prefix = keys.dataset(project, dataset)
    named = [f"{prefix}{path}" for path in uploaded.paths]
    rows = await queries.dataset_items.outcomes(session, project, named, uploaded.since)
    return documents.Outcomes(outcomes={key.removeprefix(prefix): reason for key, reason in rows.items()})


@router.get("/{dataset}/paths")
async def paths(project: str, dataset: str, session: control.Session) -> documents.Paths:
    """List the images of a data set by path, also those that are refused."""
    prefix = keys.dataset(project, dataset)
    rows = await queries.dataset_items.of_set(session, project, dataset)
    return documents.Paths(paths=[key.removeprefix(prefix) for key in rows])


@router.post("/{dataset}/remove", status_code=204)
async def remove(project: str, dataset: str, removed: documents.Removal, runtime: control.Runtime) -> None:
    """Delete images and their rows. Idempotent."""
    async with runtime.sessions() as session:
        await enrolment.require_project(session, project)
    images = dataset_images.DatasetImages(runtime.sessions, runtime.storage, image_store.ImageStore(runtime.storage))
    free = asyncio.Semaphore(_PARALLEL)

    async def one(key: str, image: object_keys.DatasetImage) -> None:
        async with free:
            await runtime.storage.delete(key)
            await images.update(key, "", image)  # the row at once; the event of S3 finds nothing to do

    await asyncio.gather(*(one(*each) for each in _named(project, dataset, removed.paths)))


@router.post("/check")
async def check(project: str, runtime: control.Runtime) -> documents.BaseImages:
    """Compare rows with the bucket, and repeat the notification of each difference."""
    async with runtime.sessions() as session:
        await enrolment.require_project(session, project)
        rows = await queries.dataset_items.of_project(session, project)
    objects = [key async for key in runtime.storage.keys(keys.below(project, keys.DATASETS))]
    compared = dataset_check.Compared(rows, dataset_check.read(objects))
    if again := compared.notifications():
        await runtime.queues.send("ingest", [sqs.Outgoing(body) for body in again])
    return compared.document()


def _named(project: str, dataset: str, paths: Iterable[str]) -> list[tuple[str, object_keys.DatasetImage]]:
    """Return the key of each path and the base image that it names. Raises Refused if a path or the data set's name is invalid."""
    if not topics.valid_name(dataset):
        raise errors.Refused(f"{dataset!r} cannot be the name of a data set")
    return [(key, _base_image(key)) for key in (f"{keys.dataset(project, dataset)}{path}" for path in paths)]


def _base_image(key: str) -> object_keys.DatasetImage:
    try:
        if isinstance(named := object_keys.parse(key), object_keys.DatasetImage):
            return named
    except errors.InvalidMessage as error:
        raise errors.Refused(str(error)) from error
    raise errors.Refused(f"{key} is not below train/LABEL/ or valid/LABEL/")


async def _presigned(bucket: storage.Storage, key: str, file: documents.NewFile) -> documents.Upload:
    signed = await bucket.presign_put(key, file.sha256, file.size, file.content_type)
    return documents.Upload(path=file.path, url=signed.url, headers=signed.headers)
