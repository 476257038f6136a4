"""The bucket."""

import base64
import hashlib

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from strop import app, storage

BODY = b"0123456789"


async def test_what_is_put_is_got(runtime: app.Runtime) -> None:
    await runtime.storage.put("a/ü b+c", BODY, "text/plain")

    assert await runtime.storage.get("a/ü b+c") == BODY
    assert await runtime.storage.size("a/ü b+c") == 10


async def test_a_large_object_is_sent_in_pieces(runtime: app.Runtime) -> None:
    large = BODY * 500_000

    await runtime.storage.put("a", large)

    assert await runtime.storage.get("a") == large


@pytest.mark.parametrize("limit", [10, 1000, None])
async def test_an_object_within_the_limit_is_read_whole(runtime: app.Runtime, limit: int | None) -> None:
    await runtime.storage.put("a", BODY)

    assert await runtime.storage.get("a", limit=limit) == BODY


@pytest.mark.parametrize("limit", [1, 4, 9])
async def test_an_object_over_the_limit_is_refused_and_never_cut(runtime: app.Runtime, limit: int) -> None:
    await runtime.storage.put("a", BODY)

    with pytest.raises(storage.TooLarge, match=f"larger than {limit} bytes"):
        await runtime.storage.get("a", limit=limit)


async def test_an_empty_object_can_be_read_with_a_limit(runtime: app.Runtime) -> None:
    await runtime.storage.put("a", b"")

    assert await runtime.storage.get("a", limit=10) == b""
    assert await runtime.storage.size("a") == 0


async def test_what_is_not_there_is_said_by_name(runtime: app.Runtime) -> None:
    for reading in (runtime.storage.get("gone"), runtime.storage.copy("gone", "b")):
        with pytest.raises(storage.NoSuchObject, match="no object at gone"):
            await reading
    assert await runtime.storage.size("gone") is None
    await runtime.storage.delete("gone")


async def test_an_object_that_was_read_is_deleted_unless_it_was_replaced(runtime: app.Runtime) -> None:
    await runtime.storage.put("a", BODY)
    read = await runtime.storage.read("a")
    await runtime.storage.put("a", BODY * 2)

    assert not await runtime.storage.delete_unchanged("a", read.etag)
    assert await runtime.storage.get("a") == BODY * 2
    assert await runtime.storage.delete_unchanged("a", (await runtime.storage.read("a")).etag)
    assert not await runtime.storage.delete_unchanged("a", read.etag)


@pytest.mark.parametrize("body", [b"", BODY, BODY * 2], ids=["empty", "read", "too large"])
async def test_every_read_returns_the_etag(runtime: app.Runtime, body: bytes) -> None:
    await runtime.storage.put("a", body)

    try:
        etag = (await runtime.storage.read("a", limit=len(BODY))).etag
    except storage.TooLarge as error:
        etag = error.etag

    found = await runtime.storage.head("a")
    assert found
    assert etag == found.etag


async def test_a_copy_is_independent(runtime: app.Runtime) -> None:
    await runtime.storage.put("a b", BODY)

    await runtime.storage.copy("a b", "c")
    await runtime.storage.delete("a b")

    assert await runtime.storage.get("c") == BODY


async def test_keys_are_listed_by_prefix(runtime: app.Runtime) -> None:
    for key in ("a/1", "a/2", "b/1"):
        await runtime.storage.put(key, BODY)

    assert [key async for key in runtime.storage.keys("a/")] == ["a/1", "a/2"]


async def test_a_presigned_upload_is_for_exactly_these_bytes(runtime: app.Runtime) -> None:
    signed = await runtime.storage.presign_put("a", storage.digest(BODY), len(BODY), "image/png")

    query = httpx.URL(signed.url).params
    assert query["X-Amz-SignedHeaders"].split(";") == [
        "content-length",
        "content-type",
        "host",
        "x-amz-checksum-sha256",
    ]
    assert signed.headers == {
        "content-type": "image/png",
        "content-length": "10",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    }


async def test_presigned_addresses_work(runtime: app.Runtime) -> None:
    upload = await runtime.storage.presign_put("a", storage.digest(BODY), len(BODY), "image/png")
    async with httpx.AsyncClient() as client:
        (await client.put(upload.url, content=BODY, headers=upload.headers)).raise_for_status()
        answer = await client.get(await runtime.storage.presign_get("a"))

    assert answer.content == BODY
    assert answer.headers["content-type"] == "image/png"


async def test_addresses_for_others_can_have_another_host(runtime: app.Runtime) -> None:
    settings = runtime.settings.model_copy(update={"public_s3_url": "https://images.example.org"})
    async with app.runtime(settings) as seen_from_outside:
        put = await seen_from_outside.storage.presign_put("a", storage.digest(BODY), len(BODY), "image/png")
        get = await seen_from_outside.storage.presign_get("a")

    assert put.url.startswith(f"https://images.example.org/{settings.bucket}/a?")
    assert get.startswith(f"https://images.example.org/{settings.bucket}/a?")


async def test_who_says_no_is_there(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await runtime.storage.reach()
    await runtime.storage.at("another").reach()  # 404

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    async with app.runtime(runtime.settings) as elsewhere:
        with pytest.raises(EndpointConnectionError):
            await elsewhere.storage.reach()
