"""Clients of AWS with the addresses and keys of `strop.env`."""

import os
from pathlib import Path
from unittest import mock

import boto3
import botocore.session
import httpx
import pytest
from botocore.exceptions import ClientError


@pytest.mark.parametrize("profile", [None, "default", "customlabels-iam", "custom-labels-access"])
def test_the_profiles_of_the_guides_sign_with_the_key_of_this_folder(
    profile: str | None, state: Path, env: dict[str, str]
) -> None:
    with mock.patch.dict(os.environ, env):
        client = boto3.Session(profile_name=profile).client("rekognition")

    assert client.meta.region_name == "us-east-1"
    assert client.describe_projects(ProjectNames=["nobody"])["ProjectDescriptions"] == []
    assert env["AWS_SECRET_ACCESS_KEY"] in (state / "profile" / "credentials").read_text()
    assert (state / "profile" / "credentials").stat().st_mode & 0o077 == 0


def test_the_file_names_one_source_of_credentials(env: dict[str, str]) -> None:
    assert "AWS_ACCESS_KEY_ID" in env
    assert "AWS_PROFILE" not in env


@pytest.mark.parametrize("service", ["sts", "sagemaker", "ssm", "iam"])
def test_clients_of_other_services_end_at_this_machine(service: str, env: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, env):
        client = boto3.Session().client(service)

    assert client.meta.endpoint_url == env["AWS_ENDPOINT_URL"] == env["STROP_URL"]


def test_the_waiters_of_the_file_look_every_second_for_as_long_as_aws_would(env: dict[str, str]) -> None:
    session = botocore.session.Session()
    usual = session.get_component("data_loader").load_service_model("rekognition", "waiters-2")["waiters"]
    with mock.patch.dict(os.environ, env):
        loader = botocore.session.Session().get_component("data_loader")
    ours = loader.load_service_model("rekognition", "waiters-2")["waiters"]

    assert ours == {
        name: each | {"delay": 1, "maxAttempts": each["delay"] * each["maxAttempts"]} for name, each in usual.items()
    }


def test_pages_of_this_machine_may_call_the_hosted_models_and_nothing_else(env: dict[str, str]) -> None:
    asks = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}

    with mock.patch.dict(os.environ, env):
        answered = httpx.options(env["AWS_ENDPOINT_URL_REKOGNITION"], headers=asks)
        foreign = httpx.options(env["AWS_ENDPOINT_URL_REKOGNITION"], headers={**asks, "Origin": "https://example.org"})
        page = httpx.get(f"{env['STROP_URL']}/healthz", headers=asks)

    assert answered.headers["access-control-allow-origin"] == asks["Origin"]
    assert "access-control-allow-origin" not in {**foreign.headers, **page.headers}


def test_a_client_of_another_aws_service_ends_at_the_services_of_one_port(env: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, env):
        session, url = boto3.Session(region_name="us-east-1"), env["AWS_ENDPOINT_URL_REKOGNITION"]
        assert session.client("sts", endpoint_url=url).get_caller_identity()["UserId"] == env["AWS_ACCESS_KEY_ID"]
        for service, operation in (("iam", "list_users"), ("lambda", "list_functions")):
            with pytest.raises(ClientError, match=f"{service} is not available"):
                getattr(session.client(service, endpoint_url=url), operation)()
