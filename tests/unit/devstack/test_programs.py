"""The commands that a shell finds first when it sources `strop.env`."""

import os
import subprocess
from pathlib import Path

import pytest

from strop_devstack import up

CLI = """\
#!/bin/sh
printf '%s|' "$@"
"""


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("sqs list-queues", "http://sqs"),
        ("--region us-east-1 --profile sqs --debug s3api head-bucket", "http://s3"),
        ("--output=json s3 ls", "http://s3"),
        ("service-quotas list-services", "http://all"),
        ("--version", None),
    ],
)
def test_every_version_of_the_aws_cli_gets_the_endpoint_of_the_service(
    typed: str, address: str | None, tmp_path: Path
) -> None:
    real = tmp_path / "it's real" / "aws"
    real.parent.mkdir()
    real.write_text(CLI)
    real.chmod(0o755)
    env = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL_SQS": "http://sqs"}
    path = os.pathsep.join(map(str, (up.PROGRAMS, real.parent, "/usr/bin", "/bin")))

    done = subprocess.run(
        ["aws", *typed.split(), "two words"], env=env | {"PATH": path}, capture_output=True, text=True, check=True,
        executable=up.PROGRAMS / "aws",
    )  # fmt: skip

    told = ["--endpoint-url", address] if address else []
    assert done.stdout.split("|")[:-1] == [*told, *typed.split(), "two words"]
