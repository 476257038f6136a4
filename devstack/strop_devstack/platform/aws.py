"""S3 and SQS from the `roto-aws` wheel, which writes each commit to disk before it answers.

It checks no credentials and no signature: it must never listen on more than the loopback address.
"""

import signal
import sysconfig
from pathlib import Path

from strop_devstack.platform import probe
from strop_devstack.platform.server import Plan

REGION = "us-east-1"
"""The one region of everything here: clients that name none and those that name AWS's default find the same."""


def plan(state: Path, port: int) -> Plan:
    program = Path(sysconfig.get_path("scripts")) / "roto-server"
    argv = [str(program), "--durable", "--data-dir", str(state / "aws"), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--setup", str(Path(__file__).with_name("buckets.luau"))]
    # Asked politely, it first waits for the long polls of clients that are gone, up to 20 s. What it has answered is on disk.
    return Plan("aws", argv, lambda: probe.http_ok(port, "/roto-api/health"), signal.SIGKILL)
