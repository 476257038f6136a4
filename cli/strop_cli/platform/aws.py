"""S3 and SQS from the `roto-aws` wheel, which writes each commit to disk before it answers.

It checks no credentials and no signature: it must never listen on more than the loopback address.
"""

import http.client
import signal
import sysconfig
from pathlib import Path

from strop_cli.platform.server import Plan

REGION = "eu-central-2"
"""Any would do here, but for most regions the AWS CLI v1 insists on AWS's own SQS host, whatever AWS_ENDPOINT_URL_SQS says."""


def plan(state: Path, port: int) -> Plan:
    program = Path(sysconfig.get_path("scripts")) / "roto-server"
    argv = [str(program), "--durable", "--data-dir", str(state / "aws"), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--setup", str(Path(__file__).with_name("buckets.luau"))]
    # Asked politely, it first waits for the long polls of clients that are gone, up to 20 s. What it has answered is on disk.
    return Plan("aws", argv, lambda: _answers(port), signal.SIGKILL)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/roto-api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
