"""What the benchmarks share: the platform of `strop up` in a folder of its own, services as processes, devices without brains.

Devices are raw sockets that speak just enough MQTT, so that they take little of the two cores from what is measured.
"""

import asyncio
import itertools
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from sqlalchemy import func, select, text

from ingest import rules
from strop import app
from strop.settings import Settings
from strop_cli import installation
from strop_contracts import tables, topology
from strop_devstack.platform.stack import Stack
from strop_wire import ids, messages, topics

PROJECT = "bench"
SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def platform(devices: int, *, wheel_broker: bool = False) -> Iterator[Stack]:
    """PostgreSQL, broker, S3 and SQS as they are shipped; tables, queues, and a project with devices d0, d1, …"""
    with (
        tempfile.TemporaryDirectory(prefix="strop-bench-") as folder,
        Stack(Path(folder), wheel_broker=wheel_broker) as stack,
    ):
        os.environ.update(stack.env())
        asyncio.run(_prepare(devices))
        yield stack


async def _prepare(devices: int) -> None:
    settings = Settings()
    await asyncio.to_thread(installation.migrate, settings.database_url)
    async with app.runtime(settings) as runtime:
        await installation.create(runtime)
        async with runtime.sessions.begin() as session:
            session.add(tables.Project(name=PROJECT))
            await session.flush()
            session.add_all(tables.Device(project=PROJECT, name=f"d{number}") for number in range(devices))


# --- services as processes ---


@dataclass
class Service:
    process: psutil.Process
    url: str

    def metric(self, name: str) -> float:
        """The sum over all labels of one metric."""
        lines = httpx.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@contextmanager
def service(stack: Stack, package: str, name: str = "", **env: str) -> Iterator[Service]:
    """Run one service as in production, and wait until it is ready."""
    port = stack.port(name or package)
    log = (stack.state / "logs" / f"{name or package}.log").open("wb")
    environment = {**os.environ, "STROP_PORT": str(port), **env}
    command = [sys.executable, "-m", package]
    with log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            running = Service(psutil.Process(process.pid), f"http://127.0.0.1:{port}")
            _await_ready(running)
            yield running
        finally:
            process.terminate()


def _await_ready(running: Service) -> None:
    while True:
        try:
            if httpx.get(f"{running.url}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            assert running.process.is_running()
        time.sleep(0.05)


@contextmanager
def process(function: Callable[..., None], *args: Any) -> Iterator[psutil.Process]:
    """Run a function in a process of its own; it ends with the block."""
    child = SPAWN.Process(target=function, args=args, daemon=True)
    child.start()
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.join()


# --- where the time goes ---


@dataclass
class Meter:
    """CPU and memory of named processes, with all their children, from now on."""

    named: Mapping[str, psutil.Process]

    def __post_init__(self) -> None:
        self._began = time.perf_counter()
        self._cpu = {name: _cpu(each) for name, each in self.named.items()}
        self._memory = {name: memory(each) for name, each in self.named.items()}

    def report(self, count: int, of: str = "capture") -> str:
        """Where the time went: CPU in microseconds per capture, cores, memory and its growth; the busiest one first."""
        elapsed = time.perf_counter() - self._began
        used = {name: _cpu(each) - self._cpu[name] for name, each in self.named.items()}
        lines = [
            f"    {name:15} {used[name] / count * 1e6:6.0f} us of CPU per {of}, {used[name] / elapsed:.2f} cores, "
            f"{memory(self.named[name]):4.0f} MB ({memory(self.named[name]) - self._memory[name]:+.0f})"
            for name in sorted(used, key=lambda name: -used[name])
        ]
        return "\n".join(lines)


def servers(stack: Stack) -> dict[str, psutil.Process]:
    """PostgreSQL, the broker, and S3 with SQS."""
    pids = {server.plan.name: server.pid for server in stack._servers}  # noqa: SLF001 - a benchmark may look
    return {name: psutil.Process(pid) for name, pid in pids.items()}


def _family(process: psutil.Process) -> list[psutil.Process]:
    """With its children, unless it is this process: its children are measured by themselves."""
    return [process] if process.pid == os.getpid() else [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    """CPU seconds; children that ended are counted with their parent."""
    total = 0.0
    for each in _family(process):
        try:
            times = each.cpu_times()
            total += times.user + times.system
            if process.pid != os.getpid():
                total += times.children_user + times.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def memory(process: psutil.Process) -> float:
    """Unshared resident memory in MB."""
    return sum(each.memory_info().rss - each.memory_info().shared for each in _family(process)) / 2**20


# --- devices ---


class Wire:
    """One MQTT connection over a plain socket."""

    def __init__(self, url: str, client_id: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(connect_packet(client_id))
        assert self._read(4) == b"\x20\x02\x00\x00"

    def say(self, packets: list[bytes]) -> None:
        """Send, and wait for as many PUBACKs."""
        self._socket.sendall(b"".join(packets))
        self._read(4 * len(packets))

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            chunk = self._socket.recv(size - len(found))
            assert chunk, "the broker closed the connection"
            found += chunk
        return found


def connect_packet(client_id: str, *, clean: bool = True) -> bytes:
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04" + (b"\x02" if clean else b"\x00") + b"\x01\x2c" + len(name).to_bytes(2, "big") + name
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH with QoS 1."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (packet_id % 65535 + 1).to_bytes(2, "big") + payload
    return b"\x32" + _length(len(body)) + body


def _length(size: int) -> bytes:
    out = b""
    while True:
        size, digit = divmod(size, 128)
        out += bytes([digit | 0x80 if size else digit])
        if not size:
            return out


def captures() -> Iterator[bytes]:
    """Announcements without end: five labels, uncertain, each image another one."""
    labels = ("can", "mug", "glass", "bottle", "jar")
    predictions = tuple(messages.Prediction(label, 0.3 - 0.05 * place) for place, label in enumerate(labels))
    sample = messages.Capture(
        id="ID",
        captured_at=datetime.now(UTC),
        model="v1",
        predictions=predictions,
        reason="low",
        audit=False,
        audit_probability=0.05,
        probability=1.0,
        policy=0,
        sha256="HASH",
        size=60_000,
        content_type="image/jpeg",
        phash="0123456789abcdef",
    ).dumps()
    before, middle, after = sample.replace(b"HASH", b"ID").split(b"ID")
    for _ in itertools.count():
        id_ = ids.uuid7()
        yield b"".join((before, str(id_).encode(), middle, id_.hex.encode() * 2, after))


_CAPTURES = captures()


def capture_row() -> dict[str, Any]:
    """One capture's columns, as ingest writes them."""
    read = rules.read(topics.topic(PROJECT, "d0", "capture"), next(_CAPTURES))
    assert isinstance(read, rules.DeviceMessage)
    return rules.capture_row(read)


def announce(url: str, count: int, devices: int, window: int, done: "Synchronized[int]") -> None:
    """Announce captures of many devices over one connection, never more than `window` ahead of `done`. For a process."""
    wire, load, sent = Wire(url, f"bench-{os.getpid()}"), captures(), 0
    names = [topics.topic(PROJECT, f"d{number}", "capture") for number in range(devices)]
    while sent < count:
        room = min(200, count - sent, window + done.value - sent)
        if room <= 0:
            time.sleep(0.005)
            continue
        wire.say([publish_packet(names[(sent + n) % devices], next(load), sent + n) for n in range(room)])
        sent += room
    time.sleep(3600)


async def rows(table: type[tables.Base], count: int) -> None:
    """Wait until a table has this many rows."""
    async with app.runtime(Settings()) as runtime:
        while True:
            async with runtime.sessions() as session:
                if (await session.scalar(select(func.count()).select_from(table)) or 0) >= count:
                    return
            await asyncio.sleep(0.05)


async def empty() -> None:
    """Forget stored captures, and those in progress."""
    async with app.runtime(Settings()) as runtime:
        async with runtime.sessions.begin() as session:
            await session.execute(text("truncate captures, uploads, routes, label_tasks, outbox, inbox cascade"))
        for name in topology.QUEUES:
            await runtime.queues._client.purge_queue(QueueUrl=await runtime.queues.url(name))  # noqa: SLF001
