"""The caller's buckets: manifests and images to read, results to write. Ours is `strop.storage` alone.

Needs `s3:GetObject` (and `s3:GetObjectVersion` where versions are named) on what callers refer to.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError, ParamValidationError

from custom_labels.api import faults
from strop import storage
from strop_contracts import documents


class Unreadable(Exception):
    """S3 refuses: there is no such object or bucket, or no right to it. A passing failure raises something else."""

    def __init__(self, code: str) -> None:
        super().__init__(f"S3 answered {code}")
        self.code = code


def refused(error: Unreadable) -> faults.InvalidS3ObjectException:
    """Errors of an operation, with AWS's texts."""
    return faults.InvalidS3ObjectException(
        f"Unable to get object metadata from S3. Check object key, region and/or access permissions. ({error})"
    )


def named(s3_object: Mapping[str, Any]) -> documents.S3Object:
    """Check that a request's S3Object names an object; its shape requires nothing."""
    if not {"Bucket", "Name"} <= s3_object.keys():
        raise faults.InvalidParameterException("An S3Object needs Bucket and Name.")
    return cast("documents.S3Object", s3_object)


async def size(store: storage.Storage, s3_object: Mapping[str, Any]) -> int:
    """Bytes of an S3Object of a request; InvalidS3ObjectException when it cannot be had."""
    wanted = named(s3_object)
    try:
        found = await _guard(store.at(wanted["Bucket"]).size(wanted["Name"], wanted.get("Version")))
    except Unreadable as error:
        raise refused(error) from error
    if found is None:
        raise refused(Unreadable("NoSuchKey"))
    return int(found)


async def read(store: storage.Storage, bucket: str, key: str, limit: int, version: str | None = None) -> bytes:
    """Read an object; storage.TooLarge when it has more than `limit` bytes."""
    return bytes(await _guard(store.at(bucket).get(key, limit, version)))


async def write(store: storage.Storage, bucket: str, key: str, body: bytes) -> None:
    """Put JSON into a caller's bucket; Unreadable when S3 refuses it."""
    await _guard(store.at(bucket).put(key, body, "application/json"))


async def download(store: storage.Storage, s3_object: documents.S3Object, file: BinaryIO, limit: int) -> int:
    """Write an object into a file piece by piece; returns its bytes, or stops soon after `limit`."""
    written = 0

    async def copy() -> None:
        nonlocal written
        place = store.at(s3_object["Bucket"])
        async for chunk in place.chunks(s3_object["Name"], s3_object.get("Version")):
            written += file.write(chunk)
            if written > limit:
                return

    await _guard(copy())
    return written


async def _guard(work: Any) -> Any:
    """Await, turning S3's refusals into Unreadable."""
    try:
        return await work
    except storage.NoSuchObject as error:
        raise Unreadable("NoSuchKey") from error
    except ParamValidationError as error:
        raise Unreadable("InvalidBucketName") from error
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403, 404, 405, 301, 307}:
            raise Unreadable(error.response["Error"]["Code"]) from error
        raise
