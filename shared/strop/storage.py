"""The bucket: bytes in, bytes out, presigned addresses that devices and browsers can reach.

Needs `s3:GetObject, PutObject, DeleteObject` on the bucket's objects and `s3:ListBucket`.
"""

import base64
import hashlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from strop_contracts import errors

EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*")
"""What the bucket notifies its queue of."""


EMPTY = '"d41d8cd98f00b204e9800998ecf8427e"'
"""The ETag of an object without bytes."""


class NoSuchObject(errors.NotFound):
    """There is no object at this key."""


class TooLarge(ValueError):
    """The object has more bytes than the limit of a read; the message follows the object's name."""

    def __init__(self, message: str, etag: str) -> None:
        super().__init__(message)
        self.etag = etag


@dataclass(frozen=True, slots=True)
class Presigned:
    url: str
    headers: dict[str, str]  # to be sent exactly so, or the signature does not hold


@dataclass(frozen=True, slots=True)
class Head:
    """What S3 returns about an object without its bytes."""

    size: int
    etag: str
    modified: datetime
    content_type: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing."""

    key: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What an object held when it was read."""

    body: bytes
    etag: str


class Storage:
    """One bucket. `public` signs addresses for others; it differs from `client` only in its endpoint."""

    def __init__(self, client: Any, public: Any, bucket: str) -> None:
        self._client = client
        self._public = public
        self.bucket = bucket

    def at(self, bucket: str) -> "Storage":
        """Another bucket, such as a user's own, with the same rights."""
        return Storage(self._client, self._public, bucket)

    async def create(self, queue_arn: str) -> None:
        """Make the bucket when it is missing, and send the events of its objects to the queue."""
        try:
            await self._client.head_bucket(Bucket=self.bucket)
        except ClientError:
            await self._client.create_bucket(Bucket=self.bucket, **self._location())
        wiring = {"QueueConfigurations": [{"QueueArn": queue_arn, "Events": list(EVENTS)}]}
        await self._client.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=wiring)

    async def reach(self) -> None:
        """Raise if S3 is unreachable; a 4xx response counts as reachable."""
        try:
            await self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise

    def _location(self) -> dict[str, Any]:
        """us-east-1 is the one region that must not be named."""
        region = self._client.meta.region_name
        return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        stream = io.BytesIO(body)  # sent piece by piece: large bytes at once would hold up everything else
        await self._client.put_object(Bucket=self.bucket, Key=key, Body=stream, ContentType=content_type)

    async def get(self, key: str, limit: int | None = None, version: str | None = None) -> bytes:
        """Read an object; TooLarge when it has more than `limit` bytes, of which no more than one is read."""
        return (await self.read(key, limit, version)).body

    async def read(self, key: str, limit: int | None = None, version: str | None = None) -> Content:
        """Read an object and its ETag, like `get`: `delete_unchanged` deletes it only if it is still this one."""
        wanted = ({"Range": f"bytes=0-{limit}"} if limit else {}) | _version(version)
        try:
            answer = await self._client.get_object(Bucket=self.bucket, Key=key, **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidRange":  # how S3 answers a range of an empty object
                return Content(b"", EMPTY)
            raise _translated(error, key) from error
        async with answer["Body"] as stream:
            body = bytes(await stream.read())
        if limit and len(body) > limit:
            raise TooLarge(f"larger than {limit:,} bytes", answer["ETag"])
        return Content(body, answer["ETag"])

    async def chunks(self, key: str, version: str | None = None) -> AsyncIterator[bytes]:
        """Read a large object piece by piece."""
        try:
            answer = await self._client.get_object(Bucket=self.bucket, Key=key, **_version(version))
        except ClientError as error:
            raise _translated(error, key) from error
        async with answer["Body"] as stream:
            async for chunk in stream.iter_chunks(2**16):
                yield chunk

    async def size(self, key: str, version: str | None = None) -> int | None:
        """Bytes of an object, or None when there is none."""
        found = await self.head(key, version)
        return found.size if found else None

    async def head(self, key: str, version: str | None = None) -> Head | None:
        """Describe an object; None when there is none."""
        try:
            answer = await self._client.head_object(Bucket=self.bucket, Key=key, **_version(version))
            return Head(
                int(answer["ContentLength"]),
                str(answer["ETag"]),
                answer["LastModified"],
                str(answer.get("ContentType") or "application/octet-stream"),
            )
        except ClientError as error:
            if isinstance(_translated(error, key), NoSuchObject):
                return None
            raise

    async def copy(self, source: str, target: str) -> None:
        try:
            await self._client.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
            )
        except ClientError as error:
            raise _translated(error, source) from error

    async def delete(self, key: str) -> None:
        await self._client.delete_object(Bucket=self.bucket, Key=key)

    async def delete_unchanged(self, key: str, etag: str) -> bool:
        """Delete an object unless it was replaced since it had this ETag; returns whether it was deleted.

        S3 itself compares. Endpoints that ignore the condition delete what is written within one request.
        """
        found = await self.head(key)
        if found is None or found.etag != etag:
            return False
        try:
            await self._client.delete_object(Bucket=self.bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                return False
            raise
        return True

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        async for page in self.pages(prefix):
            for item in page:
                yield item.key

    async def pages(self, prefix: str) -> AsyncIterator[list[Listed]]:
        """List objects in the order of their keys as UTF-8, up to a thousand at a time."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        async for page in pages:
            yield [Listed(each["Key"], each["ETag"], each["LastModified"]) for each in page.get("Contents", [])]

    async def presign_put(self, key: str, sha256: str, size: int, content_type: str, seconds: int = 3600) -> Presigned:
        """Sign an upload of exactly these bytes: S3 itself refuses another length, type or checksum."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        params = {
            "Bucket": self.bucket,
            "Key": key,
            "ContentType": content_type,
            "ContentLength": size,
            "ChecksumSHA256": checksum,
        }
        url = await self._public.generate_presigned_url("put_object", Params=params, ExpiresIn=seconds)
        headers = {"content-type": content_type, "content-length": str(size), "x-amz-checksum-sha256": checksum}
        return Presigned(url, headers)

    async def presign_get(self, key: str, seconds: int = 3600) -> str:
        return str(
            await self._public.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
            )
        )


def _version(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _translated(error: Any, key: str) -> BaseException:
    """NoSuchObject for a missing key (404, NoSuchKey or NotFound, by operation), else the error itself."""
    if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
        return NoSuchObject(f"no object at {key}")
    found: BaseException = error
    return found
