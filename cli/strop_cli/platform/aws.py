"""S3 and SQS from the `roto-aws` wheel, which writes each commit to disk before it answers.

It checks no credentials and no signature: it must never listen on more than the loopback address.
"""

import signal
import sqlite3
import sysconfig
from contextlib import closing
from pathlib import Path

from strop_cli.platform import probe
from strop_cli.platform.server import Plan

REGION = "us-east-1"
"""The one region of everything here: clients that name none and those that name AWS's default find the same."""

_EARLIER = "eu-central-2"
"""Where versions before this one had their queues and buckets."""


def plan(state: Path, port: int) -> Plan:
    """Return how the server runs. Needs the server stopped."""
    _move_region(state / "aws")
    program = Path(sysconfig.get_path("scripts")) / "roto-server"
    argv = [str(program), "--durable", "--data-dir", str(state / "aws"), "--host", "127.0.0.1", "--port", str(port)]
    # Asked politely, it first waits for the long polls of clients that are gone, up to 20 s. What it has answered is on disk.
    return Plan("aws", argv, lambda: probe.http_ok(port, "/roto-api/health"), signal.SIGKILL)


def _move_region(folder: Path) -> None:
    """Bring the queues and buckets of an earlier version, with what they hold, into the region of this one."""
    moves = {
        "sqs.db": ["update queues set region = :new, attributes = replace(attributes, :old, :new) where region = :old"],
        "s3.db": [
            "update buckets set region = :new where region = :old",
            "update bucket_configs set body = replace(body, :old, :new) where instr(body, 'arn:aws:sqs:' || :old)",
            "update notification_outbox set target = replace(target, :old, :new) where instr(target, :old)",
        ],
    }
    for name, statements in moves.items():
        if (folder / name).exists():
            with closing(sqlite3.connect(folder / name)) as database, database:
                for statement in statements:
                    database.execute(statement, {"old": _EARLIER, "new": REGION})
