"""S3 and SQS from the `roto-aws` wheel, which writes each commit to disk before it answers.

It checks no credentials and no signature: it must never listen on more than the loopback address.
"""

import http.client
import sysconfig
from pathlib import Path

from strop_cli.platform.server import Plan

REGION = "us-east-1"


def plan(state: Path, port: int) -> Plan:
    argv = [str(Path(sysconfig.get_path("scripts")) / "roto-server"), "--durable", "--data-dir", str(state / "aws")]
    return Plan("aws", [*argv, "--host", "127.0.0.1", "--port", str(port)], lambda: _answers(port))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/roto-api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
