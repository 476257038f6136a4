"""Uploads of base images: what is retried, refused, and reported."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from strop_cli import access, api, base_images
from strop_contracts import control, errors

BODY = b"image"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(BODY)
    return tmp_path / "a.jpg"


def put(file: Path, respond: Callable[[httpx.Request], httpx.Response], body: bytes = BODY) -> str | None:
    """Upload a file that had these bytes when it was granted."""
    headers = {"x-amz-checksum-sha256": b64encode(sha256(body).digest()).decode()}
    upload = control.Upload(path="train/cup/a.jpg", url="http://s3.example:9000/b/k", headers=headers)
    with httpx.Client(transport=httpx.MockTransport(respond)) as s3:
        return base_images._put(s3, upload, file)


def test_an_upload_is_repeated_after_errors_of_connection_and_server(file: Path) -> None:
    statuses = [200, 503, None]

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.content == BODY
        if (status := statuses.pop()) is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)

    assert put(file, respond) is None
    assert statuses == []


def test_an_upload_that_s3_refuses_is_an_error_with_its_address(file: Path) -> None:
    with pytest.raises(
        errors.StropError, match=r"S3 at s3\.example:9000 \(status 403\): .* the address STROP_PUBLIC_S3_URL"
    ):
        put(file, lambda _: httpx.Response(403))


def test_an_unreachable_s3_is_an_error_with_the_reason(file: Path) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("name not resolved")

    with pytest.raises(errors.StropError, match=r"\(name not resolved\)"):
        put(file, fail)


def test_a_file_that_changed_or_vanished_is_refused_and_not_sent(file: Path) -> None:
    changed = put(file, lambda _: pytest.fail("was sent"), b"other bytes")
    file.unlink()
    vanished = put(file, lambda _: pytest.fail("was sent"))

    assert (changed, vanished) == ("changed during the import", "cannot be read: No such file or directory")


def test_files_without_outcome_are_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_images, "_PATIENCE", 0.0)
    none = httpx.MockTransport(lambda _: httpx.Response(200, json={"outcomes": {}}))

    with api.Api(access.Access("http://strop", "x"), none) as client:
        dataset = base_images.DataSet(client, "p", "base")
        with pytest.raises(errors.StropError, match="1 files were not processed within 0 s: is ingest running"):
            dataset._await(["train/cup/a.jpg"], datetime.now(UTC), base_images.Imported(), lambda: None)


def test_unreadable_and_unchanged_files_need_no_upload(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(BODY)
    granted: list[control.NewFiles] = []

    def respond(request: httpx.Request) -> httpx.Response:
        granted.append(control.NewFiles.model_validate_json(request.content))
        return httpx.Response(200, json={"at": "2026-03-01T00:00:00Z", "uploads": []})

    files = {"train/cup/a.jpg": tmp_path / "a.jpg", "train/cup/b.jpg": tmp_path / "b.jpg"}
    with api.Api(access.Access("http://strop", "x"), httpx.MockTransport(respond)) as client:
        done = base_images.DataSet(client, "p", "base").load(files)

    assert [(each.path, each.size) for each in granted[0].files] == [("train/cup/a.jpg", len(BODY))]
    assert (done.unchanged, done.accepted) == (1, 0)
    assert done.refused == {"train/cup/b.jpg": "cannot be read: No such file or directory"}
