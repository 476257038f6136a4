"""Requests of the command, and one line for each way in which they fail."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from strop_cli import access, api
from strop_contracts import control, errors

URL = "https://strop.example.org"
ACCESS = access.Access(f"{URL}/", "strop_operator_x")


def failing(status: int, **body: Any) -> api.Api:
    given = body if {"content", "headers"} & body.keys() else {"json": body}
    response = httpx.Response(status, **given)
    return api.Api(ACCESS, httpx.MockTransport(lambda _: response))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, {"detail": "expired"}, f"does not accept the token, which is unknown or expired: .*strop login {URL}"),
        (403, {"detail": "ann needs the role admin"}, "^ann needs the role admin$"),
        (404, {"detail": "there is no project p"}, "^there is no project p$"),
        (404, {"detail": "Not Found"}, "has no control API .*check STROP_URL"),
        (404, {"content": b"<html>\n</html>"}, "has no control API .*check STROP_URL"),
        (301, {"content": b""}, r"has no control API \(status 301\)"),
        (301, {"headers": {"location": "https://b"}}, "redirects to https://b: set STROP_URL"),
        (409, {"detail": "project p exists already"}, "^project p exists already$"),
        (422, {"detail": [{"loc": ["body", "names"], "msg": "too short"}]}, "^names: too short$"),
        (502, {"detail": "the service router is unreachable"}, f"^{URL}: the service router is unreachable$"),
        (503, {"content": b""}, "a service is unreachable: try again once it is ready"),
        (500, {"content": b"oops"}, "failed with status 500: the log"),
        (200, {"content": b"<html></html>"}, "is not one of Strop: check STROP_URL"),
        (200, {"unknown": 1}, "is not one of Strop: check STROP_URL"),
    ],
)
def test_each_failure_is_one_line_with_what_to_do(status: int, body: dict[str, object], message: str) -> None:
    with pytest.raises(errors.StropError, match=message) as raised, failing(status, **body) as client:
        client.get(control.Caller, "router", "x")

    assert len(str(raised.value).splitlines()) == 1


def test_unreachable_server_is_named_with_its_url() -> None:
    with (
        pytest.raises(errors.StropError, match=r"cannot reach Strop at http://127\.0\.0\.1:9 .*is STROP_URL right"),
        api.Api(access.Access("http://127.0.0.1:9", "x")) as client,
    ):
        client.get(control.Caller, "router", "x")


@pytest.mark.parametrize("url", ["strop.example.org", "ftp://strop", "http://[::1", "http://st rop:x"])
def test_text_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(errors.StropError, match="is not a URL"), api.Api(access.Access(url, "x")) as client:
        client.get(control.Caller, "router", "x")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://x"])
def test_proxy_that_cannot_be_used_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(errors.Refused, match="the proxy or the certificates of the environment"):
        api.Api(ACCESS)


def test_unusable_proxy_is_ignored_for_an_excepted_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org")

    api.Api(ACCESS)


def test_missing_certificates_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))

    with pytest.raises(errors.Refused, match="the proxy or the certificates of the environment"):
        api.Api(ACCESS)


def test_lost_response_is_reported_as_possibly_carried_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, api.Api(_access_to(server)) as client:
        client._client.timeout = httpx.Timeout(0.05)
        with pytest.raises(errors.StropError, match=r"no response from .*ReadTimeout|timed out.*was carried out"):
            client.send("POST", control.Requested, "trainer", "projects", "p", "runs")


def _access_to(server: socket.socket) -> access.Access:
    return access.Access(f"http://127.0.0.1:{server.getsockname()[1]}", "x")


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_invalid_name_sends_no_request(name: str) -> None:
    client = api.Api(ACCESS, httpx.MockTransport(lambda _: pytest.fail("sent")))

    with pytest.raises(errors.NotFound, match="is not the name of a project"), client:
        client.get(control.Caller, "ingest", "projects", name, "devices")


@pytest.mark.parametrize(("name", "sent"), [("my.project", "my.project"), ("a/b", "a%2Fb"), ("ü b", "%C3%BC%20b")])
def test_name_is_one_part_of_the_path(name: str, sent: str) -> None:
    paths: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"user": "ann"})

    with api.Api(ACCESS, httpx.MockTransport(answer)) as client:
        client.get(control.Caller, "trainer", "projects", name, "models")

    assert paths == [f"/api/control/trainer/projects/{sent}/models".encode()]


def test_request_carries_the_token_and_the_query() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"user": "ann"})

    with api.Api(ACCESS, httpx.MockTransport(answer)) as client:
        client.get(control.Caller, "ingest", "projects", "a_b-c", "devices", service=None, more="x y")

    assert str(seen[0].url) == f"{URL}/api/control/ingest/projects/a_b-c/devices?more=x+y"
    assert seen[0].headers["authorization"] == "Bearer strop_operator_x"
