"""Which pages may call, and what their browsers are told."""

import pytest

from custom_labels.api import cors
from custom_labels.settings import Settings

ASKED = {
    "origin": "http://localhost:5173",
    "access-control-request-method": "POST",
    "access-control-request-headers": "amz-sdk-request,authorization,content-type,x-amz-date,x-amz-target",
}


def test_a_preflight_is_answered_with_the_headers_of_aws() -> None:
    assert cors.Origins("*").preflight(ASKED) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": ASKED["access-control-request-headers"],
        "Access-Control-Max-Age": "172800",
    }


def test_a_named_origin_is_repeated_with_vary() -> None:
    granted = cors.Origins("https://a.example, https://b.example:8443").granted("https://b.example:8443")

    assert (granted["Access-Control-Allow-Origin"], granted["Vary"]) == ("https://b.example:8443", "Origin")


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:5173", "https://127.0.0.1:1", "http://[::1]:80"]
)
def test_local_means_every_port_of_this_machine(origin: str) -> None:
    assert cors.Origins("local").granted(origin)["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    ("setting", "origin"),
    [
        ("", "http://localhost"),
        ("local", "http://localhost.example.org"),
        ("local", "http://localhost@example.org"),
        ("local", "null"),
        ("local", "http://[x"),
        ("local", "http://[x]"),
        ("local", "file://localhost"),
        ("https://a.example", "http://a.example"),
        ("*", None),
        ("*", ""),
    ],
)
def test_other_origins_get_no_header(setting: str, origin: str | None) -> None:
    origins = cors.Origins(setting)

    assert origins.granted(origin) == {}
    assert origins.preflight({**ASKED, "origin": origin or ""}) == {}


def test_names_that_no_header_can_have_are_not_repeated() -> None:
    answered = cors.Origins("*").preflight({**ASKED, "access-control-request-headers": "a\r\nb"})

    assert answered["Access-Control-Allow-Headers"] == ""


@pytest.mark.parametrize("setting", ["a.example", "https://a.example/path", "null"])
def test_what_is_no_origin_stops_the_start(setting: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Settings(origins=setting)
