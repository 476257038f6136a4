"""The S3 of one machine answers GetBucketLocation as AWS does, for buckets of any region."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from strop_devstack.platform import aws, ports
from strop_devstack.platform.server import Server

IRELAND = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}


@contextmanager
def running(state: Path) -> Iterator[Any]:
    """Run the server on a folder; yields an S3 client."""
    port = ports.stable(state, "aws")
    server = Server(aws.plan(state, port), state)
    try:
        server.await_answer()
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        yield boto3.Session().client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **keys)
    finally:
        server.stop()


def test_every_bucket_has_its_own_location_also_after_a_restart(tmp_path: Path) -> None:
    for name in ("run", "logs"):
        (tmp_path / name).mkdir()
    with running(tmp_path) as s3:
        s3.create_bucket(Bucket="plain")
        s3.create_bucket(Bucket="ireland", **IRELAND)
        s3.create_bucket(Bucket="moved", **IRELAND)
        s3.delete_bucket(Bucket="moved")
        s3.create_bucket(Bucket="moved")
        s3.put_object(Bucket="ireland", Key="a", Body=b"\xff\x00")
        with pytest.raises(ClientError, match="BucketNotEmpty"):
            s3.delete_bucket(Bucket="ireland")
        found = {
            name: s3.get_bucket_location(Bucket=name)["LocationConstraint"] for name in ("plain", "ireland", "moved")
        }
        with pytest.raises(ClientError, match="NoSuchBucket"):
            s3.get_bucket_location(Bucket="nowhere")
    with running(tmp_path) as s3:
        again = {name: s3.get_bucket_location(Bucket=name)["LocationConstraint"] for name in found}
        assert s3.get_object(Bucket="ireland", Key="a")["Body"].read() == b"\xff\x00"

    assert found == again == {"plain": None, "ireland": "eu-west-1", "moved": None}
