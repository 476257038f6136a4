"""`deploy/compose/prepare`: keys that stay, and a file for shells that leads AWS clients to the containers."""

import configparser
import os
import subprocess
from pathlib import Path

import pytest

PREPARE = Path(__file__).parents[3] / "deploy" / "compose" / "prepare"
PROFILES = ["default", "customlabels-iam", "custom-labels-access"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that was prepared, on a machine whose `docker` does nothing."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    return tmp_path / "it's here"


def prepare(secrets: Path) -> None:
    path = f"{secrets.parent / 'bin'}:{os.environ['PATH']}"
    subprocess.run([PREPARE], env=os.environ | {"PATH": path, "STROP_SECRETS": str(secrets)}, check=True)


def keys(secrets: Path) -> dict[str, str]:
    found = configparser.RawConfigParser()
    found.read(secrets / "aws_credentials")
    return {
        name: f"{found[name]['aws_access_key_id']}:{found[name]['aws_secret_access_key']}" for name in found.sections()
    }


def test_a_second_run_keeps_the_keys_and_adds_profiles_that_are_missing(secrets: Path) -> None:
    prepare(secrets)
    first = keys(secrets)
    text = (secrets / "aws_credentials").read_text()
    (secrets / "aws_credentials").write_text(text.partition("[customlabels-iam]")[0])

    prepare(secrets)

    assert keys(secrets) == first == dict.fromkeys(PROFILES, (secrets / "strop_custom_labels_keys").read_text())


def test_a_shell_that_sources_its_file_has_nothing_of_another_account(secrets: Path) -> None:
    prepare(secrets)
    env = {
        "PATH": "/usr/bin:/bin", "AWS_SESSION_TOKEN": "of-my-work", "AWS_ACCESS_KEY_ID": "of-my-work",
        "AWS_ENDPOINT_URL_STS": "http://elsewhere", "STROP_MQTT_PORT": "1883", "no_proxy": "example.org",
    }  # fmt: skip

    script = '. "$1"; . "$1"; env'
    done = subprocess.run(
        ["sh", "-euc", script, "-", secrets / "aws.env"], env=env, capture_output=True, text=True, check=True
    )

    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {name for name in found if "of-my-work" in found[name] or "elsewhere" in found[name]} == set()
    assert found["AWS_SHARED_CREDENTIALS_FILE"] == str(secrets / "aws_credentials")
    assert found["AWS_REGION"] == "us-east-1"
    assert found["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert found["STROP_MQTT_PORT"] == "1883"  # for docker compose
    assert found["PATH"].count("platform/programs") == 1
