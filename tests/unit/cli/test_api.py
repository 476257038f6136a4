"""Requests of the command, and one line for each way in which they fail."""

import httpx
import pytest

from strop_cli import access, api
from strop_contracts import control, errors

URL = "https://strop.example.org"
ACCESS = access.Access(f"{URL}/", "strop_operator_x")


def failing(status: int, **body: object) -> api.Api:
    content = body.pop("content", None)
    response = httpx.Response(status, content=content) if content is not None else httpx.Response(status, json=body)
    return api.Api(ACCESS, httpx.MockTransport(lambda _: response))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, {"detail": "expired"}, f"does not accept the token, which is unknown or expired: .*strop login {URL}"),
        (403, {"detail": "the token of ann is not an operator's"}, "token of ann is not .*: `strop token create NAME"),
        (404, {"detail": "there is no project p"}, "^there is no project p$"),
        (404, {"detail": "Not Found"}, "has no control API .*check STROP_URL"),
        (404, {"content": b"<html>\n</html>"}, "has no control API .*check STROP_URL"),
        (301, {"content": b""}, r"has no control API \(status 301\)"),
        (409, {"detail": "project p exists already"}, "^project p exists already$"),
        (422, {"detail": [{"loc": ["body", "names"], "msg": "too short"}]}, "^names: too short$"),
        (502, {"detail": "the service router is unreachable"}, "router is unreachable; try again once it is ready"),
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


def test_request_carries_the_token_and_names_with_slashes_as_one_part() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"user": "ann"})

    with api.Api(ACCESS, httpx.MockTransport(answer)) as client:
        client.get(control.Caller, "ingest", "projects", "a/b c?ü%", "devices", service=None, more="x")

    assert str(seen[0].url) == f"{URL}/api/control/ingest/projects/a%2Fb%20c%3F%C3%BC%25/devices?more=x"
    assert seen[0].headers["authorization"] == "Bearer strop_operator_x"
