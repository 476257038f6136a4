"""`strop up` and its clients, started from a shell whose environment and folder are about something else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop_cli import isolation
from tests import walkthrough
from tests.integration.cli.running import up

pytestmark = pytest.mark.timeout(900)

NOWHERE = "http://127.0.0.1:9"  # the port of `discard`: nobody listens
SET = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
    **dict.fromkeys(("all_proxy", "ALL_PROXY"), "socks5://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy",), "example.org"),
    **dict.fromkeys(("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"), "of-my-work"),
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "of-my-work"),
    **dict.fromkeys(
        ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_STS"), NOWHERE
    ),
    **dict.fromkeys(("AWS_CONTAINER_CREDENTIALS_FULL_URI",), NOWHERE),
    **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"), "/gone"),
    **dict.fromkeys(
        ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_DATA_PATH"), "/gone"
    ),
    **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "eu-west-1"),
    **dict.fromkeys(("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_S3_USE_ARN_REGION"), "true"),
    **dict.fromkeys(("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",), "true"),
    **dict.fromkeys(("AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE"), "wrong"),
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/of-my-work",
    **dict.fromkeys(("PGSERVICE", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGCONNECT_TIMEOUT", "PGTZ"), "of-my-work"),
    **dict.fromkeys(("PGHOST", "PGDATA", "PGSSLROOTCERT", "PGPASSFILE"), "/gone"),
    "PGPORT": "1",
    "PGSSLMODE": "require",
    "PGTARGETSESSIONATTRS": "read-only",
    "PGOPTIONS": "-c wrong=1",
    **dict.fromkeys(("DATABASE_URL", "STROP_URL", "STROP_CONSOLE", "STROP_PUBLIC_S3_URL"), NOWHERE),
    "MQTT_URL": "mqtts://broker.example.org",
    "STROP_HOST": "192.0.2.1",
    "STROP_CUSTOM_LABELS_KEYS": "of:my-work",
    **dict.fromkeys(("STROP_TOKEN", "STROP_BUCKET", "STROP_QUEUE_PREFIX", "STROP_MQTT_CLIENT_ID"), "of-my-work"),
    **dict.fromkeys(("STROP_MQTT_CA", "STROP_MQTT_CERT", "STROP_MQTT_KEY", "STROP_SECRETS_DIR"), "/gone"),
    "ROTO_ACCOUNT_ID": "999999999999",
    "PYTHONSTARTUP": "/gone",
}
PYTHON = """
import asyncio, asyncpg, boto3, os
s3, sqs = boto3.client("s3"), boto3.client("sqs")
s3.create_bucket(Bucket="plain")
print("bucket in", s3.get_bucket_location(Bucket="plain").get("LocationConstraint"))
queue = sqs.create_queue(QueueName="plain")["QueueUrl"]
print(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
print(boto3.Session(profile_name="custom-labels-access").client("rekognition").create_project(ProjectName="p")["ProjectArn"])
print(boto3.client("sagemaker").meta.endpoint_url == os.environ["AWS_ENDPOINT_URL"])
async def ask():
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    print("database", await database.fetchval("select current_database()"))
asyncio.run(ask())
"""
SCRIPT = r"""
set -eu
. "$1"
. "$1"
echo "$no_proxy"
strop status | grep -c router
strop token create me --role labeler | cut -c1-10
QUEUE=$(aws sqs create-queue --queue-name mine --query QueueUrl --output text)
aws sqs send-message --queue-url "$QUEUE" --message-body 'by the CLI' > sent
aws sqs receive-message --queue-url "$QUEUE" --query 'Messages[0].Body' --output text
aws s3 mb s3://cli-made
aws rekognition describe-projects --profile customlabels-iam --query ProjectDescriptions --output json
python -P client.py
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A current folder whose modules end the program that imports them, and an environment that is all wrong."""
    modules = tmp_path / "modules"
    (modules / "strop").mkdir(parents=True)
    for name in ("random", "json", "re", "secrets", "strop/__init__", "trainer", "sitecustom"):
        (modules / f"{name}.py").write_text(f"raise SystemExit('imported {name} from where the user is')")
    (modules / "client.py").write_text(PYTHON)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SET.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(modules))
        patch.chdir(modules)
        yield patch


def test_up_and_plain_clients_work_in_a_shell_set_for_something_else(
    tmp_path: Path, hostile: pytest.MonkeyPatch
) -> None:
    state = tmp_path / """it's "é" here"""
    with up(state):
        env = dict(os.environ)
        hostile.undo()
        env["PATH"] = os.pathsep.join([str(walkthrough.AWSCLI), str(Path(sys.executable).parent), env["PATH"]])
        done = subprocess.run(
            ["bash", "-c", SCRIPT, "-", state / "strop.env"], env=env, cwd=tmp_path / "modules",
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout
    *told, arn, elsewhere, database = done.stdout.splitlines()
    assert told == [
        "example.org,127.0.0.1,localhost",
        "1",
        "strop_api_",
        "by the CLI",
        "make_bucket: cli-made",
        "[]",
        "bucket in None",
        "arn:aws:sqs:us-east-1:123456789012:plain",
    ]
    assert arn.startswith("arn:aws:rekognition:us-east-1:123456789012:project/p/")
    assert (elsewhere, database) == ("True", "database strop")


def test_a_process_that_is_to_be_hostile_here_has_every_kind(hostile: pytest.MonkeyPatch) -> None:
    env = dict(os.environ)
    isolation.clean(env)

    assert not {name for name in SET if name in env and "proxy" not in name.lower()}
