"""The three servers together: what a stop, a kill, a second start and a neighbour do to them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import psutil
import pytest

from strop_devstack.platform.errors import PlatformError
from strop_devstack.platform.stack import Stack

HOLD = """
import sys, time
from pathlib import Path
from strop_devstack.platform.stack import Stack
with Stack(Path(sys.argv[1])):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was used and stopped: making the database takes longest, and one test of it is enough."""
    state = tmp_path_factory.mktemp("made") / "state"
    with Stack(state):
        pass
    return state


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-Rp", made, tmp_path], check=True)
    return tmp_path / "state"


@pytest.fixture
def held(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that keeps a stack up on `state`."""
    argv = [sys.executable, "-c", HOLD, str(state)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def servers(state: Path) -> list[psutil.Process]:
    records = [json.loads(file.read_text()) for file in (state / "run").glob("*.pid")]
    return [psutil.Process(record["pid"]) for record in records]


def client(env: dict[str, str], service: str) -> Any:
    return boto3.Session().client(
        service,
        endpoint_url=env[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


async def fill(env: dict[str, str]) -> None:
    database = await asyncpg.connect(env["DATABASE_URL"])
    await database.execute("create table kept (name text)")
    await database.execute("insert into kept values ('a row')")
    await database.close()
    client(env, "s3").create_bucket(Bucket="kept")
    client(env, "s3").put_object(Bucket="kept", Key="a/b", Body=b"an object")
    queue = client(env, "sqs").create_queue(QueueName="kept")["QueueUrl"]
    client(env, "sqs").send_message(QueueUrl=queue, MessageBody="a message")


async def contents(env: dict[str, str]) -> tuple[str, bytes, str]:
    database = await asyncpg.connect(env["DATABASE_URL"])
    row = await database.fetchval("select name from kept")
    await database.close()
    stored = client(env, "s3").get_object(Bucket="kept", Key="a/b")["Body"].read()
    queue = client(env, "sqs").get_queue_url(QueueName="kept")["QueueUrl"]
    received = client(env, "sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"]
    return row, stored, received[0]["Body"]


KEPT = ("a row", b"an object", "a message")


async def test_a_restart_keeps_rows_objects_messages_and_addresses(state: Path) -> None:
    with Stack(state) as stack:
        before = stack.env()
        await fill(before)

    with Stack(state) as stack:
        assert stack.env() == before
        assert await contents(before) == KEPT


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_damaged_password_is_named_with_what_to_do(state: Path, content: bytes) -> None:
    (state / "postgres.password").write_bytes(content)

    with pytest.raises(PlatformError, match=r"postgres\.password is damaged, .*: put the file back"), Stack(state):
        pass


@pytest.mark.parametrize("content", [b"", b'{"pid": 1', b"[]"])
def test_a_damaged_pid_file_is_no_obstacle(state: Path, content: bytes) -> None:
    (state / "run" / "mqtt.pid").write_bytes(content)

    with Stack(state) as stack:
        assert stack.failed() is None


async def test_killing_every_server_loses_nothing(state: Path) -> None:
    with Stack(state) as stack:
        await fill(stack.env())
        every = servers(state)
        children = [child for server in every for child in server.children(recursive=True)]
        for server in every:
            server.kill()
        psutil.wait_procs(children, timeout=20)  # PostgreSQL's see for themselves that it is gone

    with Stack(state) as stack:
        assert await contents(stack.env()) == KEPT


def test_a_clean_stop_leaves_no_process_and_no_pid_file(state: Path) -> None:
    with Stack(state):
        running = servers(state)
        assert len(running) == 3

    assert not any(server.is_running() for server in running)
    assert not list((state / "run").glob("*.pid"))


def test_the_guard_stops_the_servers_of_a_killed_process(state: Path, held: subprocess.Popen[str]) -> None:
    running = servers(state)

    held.kill()

    _, alive = psutil.wait_procs(running, timeout=20)
    assert not alive


def test_the_next_start_stops_what_a_killed_process_and_guard_left(state: Path, held: subprocess.Popen[str]) -> None:
    left = servers(state)
    ports = {file.name: file.read_text() for file in (state / "run").glob("*.port")}
    guard = next(each for each in psutil.Process(held.pid).children() if "guard.py" in " ".join(each.cmdline()))
    guard.kill()
    held.kill()
    held.wait()
    assert all(server.is_running() for server in left)

    with Stack(state) as stack:
        assert not any(server.is_running() for server in left)
        assert stack.failed() is None
        assert ports == {file.name: file.read_text() for file in (state / "run").glob("*.port")}


def test_a_pid_that_now_belongs_to_another_program_is_left_alone(state: Path) -> None:
    record = {"pid": os.getpid(), "argv": ["postgres", "-D", "elsewhere"], "signal": signal.SIGKILL}
    (state / "run" / "postgres.pid").write_text(json.dumps(record))
    (state / "run" / "aws.pid").write_text("")

    with Stack(state) as stack:  # and we still live
        assert stack.failed() is None


def test_a_second_start_on_one_folder_is_refused_and_harms_nothing(state: Path, held: subprocess.Popen[str]) -> None:
    with pytest.raises(PlatformError, match=f"in use by process {held.pid}"), Stack(state):
        pass

    assert all(server.is_running() for server in servers(state))


async def test_two_folders_run_side_by_side(state: Path, tmp_path: Path) -> None:
    with Stack(state) as one, Stack(tmp_path / "another") as two:
        await fill(one.env())
        await fill(two.env())  # the same names would clash in one place

        assert one.env()["DATABASE_URL"] != two.env()["DATABASE_URL"]
        assert one.failed() is None
        assert two.failed() is None


def test_a_port_that_somebody_took_is_replaced(state: Path) -> None:
    with Stack(state) as stack:
        old = stack.env()["MQTT_URL"]
    with socket.create_server(("127.0.0.1", int(old.rpartition(":")[2]))), Stack(state) as stack:
        assert stack.env()["MQTT_URL"] != old
        assert stack.failed() is None


def test_a_crashed_server_is_named_with_the_end_of_its_log(state: Path) -> None:
    with Stack(state) as stack:
        pid = json.loads((state / "run" / "postgres.pid").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

        report = stack.failed()

    assert report
    assert report.startswith("postgres stopped with exit code -9")
    assert "ready to accept connections" in report


def test_a_server_that_cannot_start_is_named_and_the_others_stop(state: Path) -> None:
    shutil.rmtree(state / "aws")
    (state / "aws").write_text("in the way")

    with pytest.raises(PlatformError, match="aws did not start"), Stack(state):
        pass

    assert not list((state / "run").glob("*.pid"))


def test_a_database_that_does_not_start_is_reported_with_what_its_probe_printed(state: Path) -> None:
    (state / "postgres" / "data" / "global" / "pg_control").unlink()

    with (
        pytest.raises(PlatformError, match=r"postgres did not start \(pg_isready returned 2: .*no response"),
        Stack(state),
    ):
        pass


def test_a_database_of_another_major_version_is_refused(state: Path) -> None:
    (state / "postgres" / "data" / "PG_VERSION").write_text("15\n")

    with pytest.raises(PlatformError, match="made by PostgreSQL 15"), Stack(state):
        pass


def test_a_half_made_database_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "data").mkdir(parents=True)

    with Stack(tmp_path) as stack:
        assert stack.failed() is None


async def test_the_database_is_durable_guarded_and_not_run_by_root(state: Path) -> None:
    with Stack(state) as stack:
        url = stack.env()["DATABASE_URL"]
        database = await asyncpg.connect(url)
        shown = [await database.fetchval(f"show {name}") for name in ("fsync", "synchronous_commit", "shared_buffers")]
        await database.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url, password="wrong")
        pid = json.loads((state / "run" / "postgres.pid").read_text())["pid"]
        assert psutil.Process(pid).uids().real != 0

    assert shown == ["on", "on", "64MB"]
