import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from strop_edge import transfer
from tests.integration.edge.web import Web

BODY = bytes(range(256)) * 400  # several pieces


@pytest.fixture
def http() -> transfer.Http:
    return transfer.Http(ssl.create_default_context(), lambda: None)


def test_a_put_arrives_whole_with_its_headers(web: Web, http: transfer.Http) -> None:
    http.put(f"{web.url}/a?X-Signature=1&b", {"x-a": "1"}, BODY)

    assert web.objects == {"/a?X-Signature=1&b": BODY}
    assert http.bytes_sent == len(BODY)


def test_a_granted_length_is_not_sent_twice(web: Web, http: transfer.Http) -> None:
    http.put(f"{web.url}/a", {"content-length": str(len(BODY))}, BODY)

    assert web.objects == {"/a": BODY}


@pytest.mark.parametrize("status", [301, 400, 403, 404, 416])
def test_a_no_is_refused(web: Web, http: transfer.Http, status: int) -> None:
    web.statuses = [status]

    with pytest.raises(transfer.Refused, match=str(status)):
        http.put(f"{web.url}/a", {}, BODY)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_not_now_is_unavailable(web: Web, http: transfer.Http, status: int) -> None:
    web.statuses = [status]

    with pytest.raises(transfer.Unavailable, match=str(status)):
        http.put(f"{web.url}/a", {}, BODY)


def test_an_unreachable_server_is_unavailable(http: transfer.Http) -> None:
    with pytest.raises(transfer.Unavailable):
        http.put("http://127.0.0.1:1/a", {}, BODY)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://host/a", {}),
        ("file:///etc/passwd", {}),
        ("http:///a", {}),
        ("http://host:port/a", {}),
        ("http://127.0.0.1:1/a b", {}),
        ("http://127.0.0.1:1/a\r\nX: y", {}),
    ],
    ids=range(6),
)
def test_an_address_that_http_does_not_allow_is_refused(http: transfer.Http, url: str, headers: dict[str, str]) -> None:
    with pytest.raises(transfer.Refused):
        http.put(url, headers, BODY)


def test_a_header_that_would_smuggle_another_is_refused(web: Web, http: transfer.Http) -> None:
    with pytest.raises(transfer.Refused):
        http.put(f"{web.url}/a", {"x-a": "1\r\nx-b: 2"}, BODY)
    assert web.requests == []


def test_a_download_arrives_whole(web: Web, http: transfer.Http, tmp_path: Path) -> None:
    web.objects["/a"] = BODY

    http.get(f"{web.url}/a", tmp_path / "part", len(BODY))

    assert (tmp_path / "part").read_bytes() == BODY


def test_a_download_that_breaks_off_goes_on_where_it_ended(web: Web, http: transfer.Http, tmp_path: Path) -> None:
    web.objects["/a"] = BODY
    web.cut = [40_000]

    with pytest.raises(transfer.Unavailable):
        http.get(f"{web.url}/a", tmp_path / "part", len(BODY))
    got = (tmp_path / "part").stat().st_size
    http.get(f"{web.url}/a", tmp_path / "part", len(BODY))

    assert 0 < got <= 40_000
    assert web.asked("GET")[1][1]["range"] == f"bytes={got}-"
    assert (tmp_path / "part").read_bytes() == BODY
    assert http.bytes_received == len(BODY)


def test_a_complete_download_is_not_asked_for_again(web: Web, http: transfer.Http, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(BODY)

    http.get(f"{web.url}/a", tmp_path / "part", len(BODY))

    assert web.requests == []


def test_a_download_longer_than_announced_is_stopped(web: Web, http: transfer.Http, tmp_path: Path) -> None:
    web.objects["/a"] = BODY * 10

    with pytest.raises(transfer.Refused, match="longer"):
        http.get(f"{web.url}/a", tmp_path / "part", 1000)
    assert (tmp_path / "part").stat().st_size <= transfer.PIECE


class Enough(Exception):
    """The check had its way."""


def stop_after(pieces: int) -> Callable[[], None]:
    left = [pieces]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Enough

    return check


def test_a_transfer_ends_between_two_pieces_if_the_check_raises(web: Web, tmp_path: Path) -> None:
    web.objects["/a"] = BODY

    with pytest.raises(Enough):
        transfer.Http(ssl.create_default_context(), stop_after(2)).get(f"{web.url}/a", tmp_path / "part", len(BODY))
    with pytest.raises(Enough):
        transfer.Http(ssl.create_default_context(), stop_after(2)).put(f"{web.url}/b", {}, BODY)

    assert 0 < (tmp_path / "part").stat().st_size < len(BODY)
    assert "/b" not in web.objects
