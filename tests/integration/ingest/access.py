"""A Mosquitto with the shipped configuration, and clients with certificates as `strop certs` makes them."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ingest import device_rights
from strop import mqtt, packets
from strop.settings import Settings
from strop_devstack.platform import ports
from tests import brokers, wait

DEPLOY = Path(__file__).parents[3] / "deploy" / "mosquitto"
NOTHING = 0.5
"""Seconds after which what has not come will not: what came later on the same way is there by then."""
ALIAS = "beverage_container"
ENROLLED: dict[device_rights.Device, str | None] = {
    ("bottles", "line-1"): ALIAS,
    ("bottles", "line-2"): None,
    ("cans", "line-1"): None,
}
SETTINGS = Settings.model_validate({"database_url": "postgresql://", "mqtt_url": "mqtt://", "mqtt_group": "secret"})


class Broker:
    """Mosquitto with deploy/mosquitto, its places and ports changed. `devices` and `services` are its listeners."""

    def __init__(self, folder: Path) -> None:
        (folder / "run").mkdir()
        self._config, self.folder = folder / "mosquitto.conf", folder / "certs"
        chosen = {name: ports.stable(folder, name) for name in ("8883", "8884")}
        self._port = chosen["8884"]
        self.devices, self.services = (f"mqtts://127.0.0.1:{port}" for port in chosen.values())
        self._config.write_text(_changed((DEPLOY / "mosquitto.conf").read_text(), folder, chosen))
        self.rights = folder / "dynamic-security-2.json"
        self.rights.write_bytes((DEPLOY / "dynamic-security.json").read_bytes())

    def start(self) -> None:
        argv = [brokers.mosquitto(), "-c", str(self._config)]
        self._process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        while ports.is_free(self._port):
            assert self._process.poll() is None, "Mosquitto does not accept this configuration"
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    async def enrol(self, enrolled: device_rights.Enrolled) -> None:
        """Do what ingest does for the devices of its table."""
        async with connected(self, "strop-ingest", device_rights.RESPONSE, client_id="rights") as link:
            await device_rights.reconcile(device_rights.Plugin(link), enrolled)


def _changed(text: str, folder: Path, chosen: dict[str, int]) -> str:
    moved = {"/run/secrets/": f"{folder}/certs/", "/run/crl/": f"{folder}/certs/crl/", "/mosquitto/data/": f"{folder}/"}
    moved |= {f"listener {port}": f"listener {free} 127.0.0.1" for port, free in chosen.items()}
    for old, new in moved.items():
        assert old in text, old
        text = text.replace(old, new)
    return text + ("user root\n" if os.geteuid() == 0 else "")


@asynccontextmanager
async def attempt(broker: Broker, name: str, *filters: str, client_id: str = "any") -> AsyncIterator[mqtt.Mqtt]:
    """A client with the certificate of this name, whether or not the broker accepts its subscriptions."""
    tls = ssl.create_default_context(cafile=str(broker.folder / "ca.pem"))
    tls.load_cert_chain(broker.folder / f"{name}.pem", broker.folder / f"{name}.key")
    url = broker.devices if name.startswith("devices/") else broker.services
    async with mqtt.connect(url, client_id, filters, tls=lambda: tls) as link:
        await until(lambda: bool(link.connected.is_set() or link.refused))
        yield link


@asynccontextmanager
async def connected(broker: Broker, name: str, *filters: str, client_id: str = "any") -> AsyncIterator[mqtt.Mqtt]:
    """A client whose subscriptions the broker accepts."""
    async with attempt(broker, name, *filters, client_id=client_id) as link:
        async with asyncio.timeout(wait.PATIENCE):
            await link.connected.wait()
        yield link


async def until(condition: Callable[[], bool]) -> None:
    async def look() -> bool:
        return condition()

    await wait.until(look)


async def granted(broker: Broker, name: str, *filters: str) -> list[bool]:
    """Whether the broker accepts each subscription of a client with the certificate of this name."""

    def subscribe() -> list[bool]:
        with secured(broker.devices, broker.folder / "ca.pem", broker.folder / f"{name}.pem") as link:
            link.sendall(packets.connect("any", None, "", clean=True, keepalive=30) + packets.subscribe(filters, 1))
            received = b""
            answers: list[bytes] = []
            while not answers:
                received += link.recv(1024)
                answers = [body for first, body in packets.split(received)[0] if first == packets.SUBACK]
        return [code != 0x80 for code in answers[0][2:]]

    return await asyncio.to_thread(subscribe)


async def heard(link: mqtt.Mqtt) -> list[tuple[str, bytes]]:
    """What has come, once nothing comes any more."""
    found: list[tuple[str, bytes]] = []
    try:
        while True:
            async with asyncio.timeout(NOTHING):
                batch = await link.batch()
            link.acknowledge(batch)
            found += [(each.topic, each.payload) for each in batch]
    except TimeoutError:
        return found


def knock(url: str, authority: Path, shown: Path | None) -> bytes:
    """Connect with this certificate, and return the first bytes of the broker's answer."""
    with secured(url, authority, shown) as link:
        link.sendall(packets.connect("any", None, "", clean=True, keepalive=30))
        return link.recv(4)


@contextmanager
def secured(url: str, authority: Path, shown: Path | None) -> Iterator[ssl.SSLSocket]:
    """A TLS connection; a server reports a refused certificate only when the client reads."""
    tls = ssl.create_default_context(cafile=str(authority))
    if shown:
        tls.load_cert_chain(shown, shown.with_suffix(".key"))
    address = urlsplit(url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=10) as raw,
        tls.wrap_socket(raw, server_hostname="127.0.0.1") as link,
    ):
        yield link
