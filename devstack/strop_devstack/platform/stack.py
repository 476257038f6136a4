"""The three servers of one state folder, started and stopped together."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

from strop_devstack.platform import aws, guard, mqtt, ports, postgres, profile
from strop_devstack.platform.errors import PlatformError
from strop_devstack.platform.server import Plan, Server, stop_leftovers

BUCKET = "strop"


class Stack:
    """PostgreSQL, S3 with SQS, and an MQTT broker; all their data is in `state`.

    Use it in a `with` statement. Stopping loses nothing, nor does killing (see `mqtt` for the exception): what still
    runs then is stopped by the guard at once, and by the next start at the latest. `wheel_broker` takes the broker
    of the wheel even where Mosquitto is installed. Servers inherit the environment: the caller cleans it (`isolation`).
    """

    def __init__(self, state: Path, *, wheel_broker: bool = False) -> None:
        self.state = state.resolve()
        self._mosquitto = None if wheel_broker else mqtt.find_mosquitto()
        self._servers: list[Server] = []
        self._undo = ExitStack()
        self._guard: IO[str]

    @property
    def shared_subscriptions(self) -> bool:
        """Can several copies of a service share one subscription?"""
        return self._mosquitto is not None

    def __enter__(self) -> Self:
        for folder in (self.state / "run", self.state / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            undo.enter_context(_locked(self.state))
            stop_leftovers(self.state)
            self._guard = undo.enter_context(_guarded())
            for plan in self._plans():
                server = Server(plan, self.state)
                undo.callback(server.stop)
                self.guard(server)
                self._servers.append(server)
            for server in self._servers:
                server.await_answer()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._servers.clear()
        self._undo.close()

    def guard(self, server: Server) -> None:
        """Have the guard stop this server when we are killed; once it has ended, have it forgotten."""
        stop_signal = int(server.plan.stop_signal) if server.code is None else 0
        print(server.pid, stop_signal, file=self._guard, flush=True)

    def failed(self) -> str | None:
        """Name the first server that no longer works, with the end of its log. Takes some milliseconds."""
        return next((report for server in self._servers if (report := server.failed())), None)

    def env(self) -> dict[str, str]:
        """Return the environment that services, the AWS CLI, psql and MQTT clients need."""
        endpoint = f"http://127.0.0.1:{self._port('aws')}"
        return {
            "DATABASE_URL": postgres.url(self.state, self._port("postgres")),
            "MQTT_URL": f"mqtt://127.0.0.1:{self._port('mqtt')}",
            "STROP_MQTT_SHARED": str(int(self.shared_subscriptions)),
            "STROP_BUCKET": BUCKET,
            **profile.env(self.state),  # S3 and SQS check no key here; Rekognition does
            "AWS_DEFAULT_REGION": aws.REGION,
            "AWS_REGION": aws.REGION,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ENDPOINT_URL_SQS": endpoint,
        }

    def port(self, name: str) -> int:
        """Return a port for a server of the caller's own: the same at each start, unless somebody took it."""
        return ports.stable(self.state, name)

    def _plans(self) -> list[Plan]:
        # What everybody needs comes first, and stops last.
        return [
            postgres.plan(self.state, ports.stable(self.state, "postgres")),
            aws.plan(self.state, ports.stable(self.state, "aws")),
            mqtt.plan(self.state, ports.stable(self.state, "mqtt"), self._mosquitto),
        ]

    def _port(self, name: str) -> int:
        return ports.remembered(self.state, name)


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    with (state / "run" / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise PlatformError(
                f"{state} is in use by process {lock.read()}: stop it, or take another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _guarded() -> Iterator[IO[str]]:
    """Run the guard, which reads a line for each server. It is stopped before the servers."""
    argv = [sys.executable, "-S", guard.__file__]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdin is not None
        try:
            yield process.stdin
        finally:
            process.kill()
