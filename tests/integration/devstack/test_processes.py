"""`strop up --processes`: each service in a process of its own, kept alive and stopped cleanly."""

import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from strop_cli import envfile
from strop_contracts import services as contracts
from tests import wait
from tests.integration.cli.running import up

PACKAGES = tuple(service.package for service in contracts.ALL)


def services(parent: int) -> dict[str, psutil.Process]:
    """The processes of the services, by package."""
    found = {}
    for child in psutil.Process(parent).children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):  # it died a moment ago
            words = child.cmdline()
            if words[1:2] == ["-m"]:
                found[words[2]] = child
    return found


def ready(state: Path, package: str) -> bool:
    port = int((state / "run" / f"{package}.port").read_text())
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_crashed_service_is_restarted_and_all_stop_cleanly(tmp_path: Path) -> None:
    with up(tmp_path, "--processes") as running:
        before = services(running.pid)
        assert set(before) == set(PACKAGES)
        env = envfile.read(tmp_path / "strop.env")
        assert httpx.get(f"{env['STROP_URL']}/readyz").json() == {"database": True, "labeling-queue": True}

        me = {"Authorization": f"Bearer {env['STROP_TOKEN']}"}
        console = env["STROP_CONSOLE"].removesuffix("/console")
        assert f'href="{console}/console/import"' in httpx.get(env["STROP_URL"], headers=me).text
        assert f'href="{env["STROP_URL"]}/dead-letters"' in httpx.get(console, headers=me).text

        before["router"].kill()
        deadline = time.monotonic() + wait.PATIENCE
        while services(running.pid).get("router") in {None, before["router"]} or not ready(tmp_path, "router"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        after = services(running.pid)
        assert {name for name in PACKAGES if after[name] != before[name]} == {"router"}
        assert re.search(
            r'"service": "router", "code": -9, .*"event": "service_restarted',
            (tmp_path / "logs/services.log").read_text(),
        )

        running.send_signal(signal.SIGINT)
        shown, _ = running.communicate()
    assert running.returncode == 0
    assert "stopped; nothing is lost" in shown
    assert f"router ended with code -9: it starts again in 0.5 s. Its log: {tmp_path}/logs/router.log" in shown
    assert not [process for process in after.values() if process.is_running()]
    assert "service_stop_failed" not in (tmp_path / "logs/services.log").read_text()


def test_each_service_serves_its_metrics_at_the_printed_address(tmp_path: Path) -> None:
    with up(tmp_path, "--processes") as running:
        assert running.stdout
        shown = "".join(iter(running.stdout.readline, f"Logs: {tmp_path}/logs. Ctrl-C stops everything.\n"))
        told = re.findall(r"Metrics: (\S+) of (\S+)", shown)
        assert [service for _, service in told] == [name.replace("_", "-") for name in PACKAGES]
        for url, service in told:
            assert f'strop_service_up{{service="{service}"}} 1.0' in httpx.get(url).text


def test_no_service_outlives_a_platform_that_is_killed(tmp_path: Path) -> None:
    with up(tmp_path, "--processes") as running:
        children = list(services(running.pid).values())
        running.kill()
        _, alive = psutil.wait_procs(children, timeout=wait.PATIENCE)
    assert not alive
