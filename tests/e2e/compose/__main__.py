"""Bring everything up under a name of its own, send captures through over TLS, scale, kill, count, take it down."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.compose import pictures

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PATIENCE = 120
PROFILES = ("--profile", "tools", "--profile", "demo", "--profile", "watch")
SERVICES = tuple(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
DEVICES = ("line-01", "line-02", "line-03")
AWAITING = 4500
"""Captures announced while ingest is away: more than the broker keeps of itself for a client that is away, which is 1,000."""

started = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)


def docker(*arguments: str) -> str:
    """Run the client, and return what it prints."""
    found = subprocess.run(["docker", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True)
    return found.stdout.strip()


def compose(*arguments: str) -> str:
    return docker("compose", "--progress", "quiet", *arguments)


def strop(*arguments: str) -> str:
    """Run a `strop` command in a container."""
    return compose("run", "--rm", "-T", "cli", *arguments)


def python(script: str, *arguments: str, options: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """Start a script of this folder in a container of the command's image."""
    argv = ["docker", "compose", "--progress", "quiet", "run", "--rm", "-T", "--entrypoint", "python", *options, "cli"]
    command = [*argv, "-c", (HERE / script).read_text(), *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def answer(process: "subprocess.Popen[str]", said: str = "") -> dict[str, str]:
    """Say something to a script, and wait for its line of JSON."""
    printed = process.communicate(said, timeout=300)[0]
    assert process.returncode == 0, printed
    return dict(json.loads(printed.splitlines()[-1]))


def containers(service: str) -> list[str]:
    return compose("ps", "-q", service).split()


def healthy(**copies: int) -> Callable[[], bool]:
    """A look whether so many containers of each service are healthy."""

    def look() -> bool:
        wanted = {service: copies.get(service, 1) for service in SERVICES}
        return all(_healthy(service) == count for service, count in wanted.items())

    return look


def _healthy(service: str) -> int:
    states = [docker("inspect", "-f", "{{.State.Health.Status}}", each) for each in containers(service)]
    return states.count("healthy")


def until(what: str, look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.5)
    say(what)


@contextmanager
def deployment() -> Iterator[Path]:
    """Own names, ports and secrets, so that it disturbs nobody; yields the folder of the secrets."""
    with tempfile.TemporaryDirectory(prefix="strop-compose-") as folder:
        os.environ |= {"COMPOSE_PROJECT_NAME": f"strop-test-{os.getpid()}", "STROP_SECRETS": folder}
        ports = ("WEB", "MQTT", "S3", "REKOGNITION", "CONSOLE")
        os.environ |= {f"STROP_{name}_PORT": "0" for name in ports}  # any that are free
        try:
            yield Path(folder)
        except BaseException:
            print(compose("logs", "--tail", "40", "--no-color"), file=sys.stderr)
            raise
        finally:
            compose(*PROFILES, "down", "-v", "--remove-orphans", "--timeout", "5")
            say("taken down")


def fleet(secrets: Path, count: int, rate: float, repeat: float, pictures: str) -> "subprocess.Popen[str]":
    """Devices that announce `count` captures, of `new` pictures or of the `same`, and upload what they are asked for."""
    mounts = ("-v", f"{secrets / 'ca.pem'}:/certs/ca.pem:ro", "-v", f"{secrets / 'devices' / 'demo'}:/certs/devices:ro")
    return python("fleet.py", str(count), str(rate), str(repeat), pictures, *DEVICES, options=mounts)


def check(journals: dict[str, str]) -> None:
    """Every announced capture has one row, one route, one fate, and one task when it was stored."""
    found = answer(python("ledger.py"), json.dumps(journals))
    say(f"ledger: {found}")
    assert found["announced"] == found["rows"], "not there, or from a device that may not say it"
    assert not any(found[what] for what in ("lost", "doubled", "unsettled", "disagreeing")), "the ledger is not clean"


def main() -> None:
    compose(*PROFILES, "config", "-q")
    with deployment() as secrets:
        subprocess.run([ROOT / "deploy" / "compose" / "prepare"], check=True, stdout=subprocess.DEVNULL)
        say("passwords and certificates are made")
        compose("up", "-d", "--build", "--quiet-pull")
        until("all services are healthy", healthy())
        strop("projects", "create", "demo")
        strop("devices", "add", "demo", *DEVICES, "line-04")

        journals = scaled_and_killed(secrets)
        check(journals)
        assert set(journals.values()) == {"stored"}
        journals |= ingest_away(secrets)
        check(journals)
        with_real_agents()


def scaled_and_killed(secrets: Path) -> dict[str, str]:
    sending = fleet(secrets, 360, 12, 10, "new")
    compose("up", "-d", "--no-recreate", "--scale", "router=3", "--scale", "ingest=2")
    until("three routers and two ingests are healthy", healthy(router=3, ingest=2))
    docker("kill", containers("ingest")[0], containers("router")[0])
    say("an ingest and a router are killed, for good")
    return answer(sending)


def ingest_away(secrets: Path) -> dict[str, str]:
    """What devices say meanwhile waits at the broker, over its restart: they do not say it again within this test."""
    compose("stop", "ingest")
    sending = fleet(secrets, AWAITING, 900, 3600, "same")
    assert sending.stdout is not None
    assert sending.stdout.readline() == "all announced\n"
    compose("restart", "mosquitto")
    say(f"{AWAITING:,} captures were announced without an ingest, and the broker was restarted")
    compose("up", "-d", "--no-recreate", "--scale", "router=3", "--scale", "ingest=1")
    return answer(sending)


def with_real_agents() -> None:
    """The profile `demo` as it is shipped: a model is trained and rolled out, and a device's image comes home."""
    with tempfile.TemporaryDirectory(prefix="strop-images-") as folder:
        pictures.base(base := Path(folder) / "base")
        pictures.seen(seen := Path(folder) / "seen")
        compose("run", "--rm", "-T", "-v", f"{base}:/base:ro", "cli", "datasets", "import", "demo", "/base")
        strop("policy", "set", "demo", "audit_rate=1")
        say(strop("train", "demo", "--wait").splitlines()[-1].strip())
        before, os.environ["STROP_IMAGES"] = stored("line-01"), str(seen)
        compose("--profile", "demo", "up", "-d", "--build", "--no-recreate", *DEVICES)
        until("the devices are healthy", lambda: all(_healthy(each) for each in DEVICES))
        until("an image that line-01 saw is stored", lambda: stored("line-01") > before)


def stored(device: str) -> int:
    query = (
        f"select count(*) from captures join uploads on capture_id = id where device = '{device}' and state = 'stored'"
    )
    return int(compose("exec", "-T", "postgres", "psql", "-U", "strop", "-d", "strop", "-Atc", query))


if __name__ == "__main__":
    main()
