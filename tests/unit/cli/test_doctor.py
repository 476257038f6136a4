"""Checks of an installation, and a report without secrets."""

import json

import pytest
from typer.testing import CliRunner, Result

from strop_cli import redaction
from strop_cli.__main__ import cli

SECRETS = {
    "STROP_TOKEN": "strop_operator_hunter1",
    "DATABASE_URL": "postgresql://strop:hunter2@db.example:5432/strop?sslpassword=hunter3",
    "MQTT_URL": "mqtts://device:hunter4@broker.example:8883",
    "AWS_ACCESS_KEY_ID": "AKIAHUNTER5",
    "AWS_SECRET_ACCESS_KEY": "hunter6",
    "AWS_SESSION_TOKEN": "hunter7",
    "AWS_ENDPOINT_URL_S3": "https://s3.example/hunter8",
    "STROP_MQTT_GROUP": "hunter9",
    "STROP_CUSTOM_LABELS_KEYS": "id:hunter10",
    "STROP_CONTROL_URLS": json.dumps({"router": "http://u:hunter11@router:8080"}),
    "STROP_OF_A_LATER_VERSION": "hunter12",
    "STROP_CONSOLE": "https://u:hunter13@console.example/console",
    "https_proxy": "http://user:hunter14@proxy.example:3128",
    "ALL_PROXY": "hunter15",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter16",
    "STROP_PUBLIC_S3_URL": "https://u:hunter/17@[::1/x",
    "NO_PROXY": "127.0.0.1,localhost",
}


def test_settings_are_listed_by_name_without_any_secret() -> None:
    shown = redaction.settings(SECRETS | {"HOME": "/root", "STROP_BUCKET": "images"})

    assert shown.keys() == SECRETS.keys() | {"STROP_BUCKET"}
    assert "hunter" not in "".join(shown.values()).lower()
    assert shown["DATABASE_URL"] == "postgresql://db.example:5432"
    assert (shown["STROP_BUCKET"], shown["NO_PROXY"]) == ("images", "127.0.0.1,localhost")


def test_messages_lose_credentials_and_tokens() -> None:
    message = "cannot reach http://ann:hunter2@host:1/x: strop_once_hunter-3_x, strop_api_hunter4"

    assert redaction.text(message) == "cannot reach http://host:1/x: strop_once_…, strop_api_…"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        if "proxy" not in name.lower():
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("STROP_URL", "http://ann:hunter18@127.0.0.1:9")


def doctor(*options: str) -> Result:
    return CliRunner().invoke(cli, ["doctor", *options])


@pytest.mark.usefixtures("environment")
def test_report_of_an_unreachable_installation_has_no_secret() -> None:
    done = doctor("--report")

    assert (done.exit_code, "hunter" in done.output.lower()) == (1, False)
    for expected in (
        "### Versions",
        "strop: ",
        "python: 3.",
        "STROP_URL=http://127.0.0.1:9",
        "FAIL connection: cannot reach",
    ):
        assert expected in done.output


def test_missing_address_is_a_failed_check(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv("STROP_URL", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    done = doctor()

    assert (done.exit_code, done.output.splitlines()) == (1, [done.output.strip()])
    assert done.output.startswith("FAIL connection: the address of Strop is not configured")
