"""Who may say what at the broker: the shipped configuration, a real Mosquitto, and certificates as `strop certs` makes them."""

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingest import announcements
from strop import mqtt
from strop.settings import Settings
from strop_cli import certs
from strop_devstack.platform import ports
from strop_wire import topics
from tests import brokers, wait

DEPLOY = Path(__file__).parents[3] / "deploy" / "mosquitto"
NOTHING = 0.5
"""Seconds after which what has not come will not: what came later on the same way is there by then."""


class Broker:
    """`devices` and `services` are the addresses of the two listeners; `lost` is the certificate of a revoked device."""

    def __init__(self, folder: Path, devices: int, services: int, lost: Path) -> None:
        self.folder, self.lost = folder, lost
        self.devices, self.services = (f"mqtts://127.0.0.1:{port}" for port in (devices, services))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Mosquitto with deploy/mosquitto, its places and ports changed. No other broker has such an access list."""
    program = brokers.mosquitto()
    folder = tmp_path_factory.mktemp("access")
    (folder / "run").mkdir()
    certs.make(folder / "certs", None)
    for project, names in (("bottles", ["line-1", "line-2"]), ("cans", ["line-1"])):
        certs.device(project, names, folder / "certs")
    lost = _lost(folder / "certs")
    chosen = {name: ports.stable(folder, name) for name in ("8883", "8884")}
    config = folder / "mosquitto.conf"
    config.write_text(_changed((DEPLOY / "mosquitto.conf").read_text(), folder, chosen))
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        while ports.is_free(chosen["8884"]):
            assert process.poll() is None, "Mosquitto does not take this configuration"
            time.sleep(0.02)
        yield Broker(folder / "certs", chosen["8883"], chosen["8884"], lost)
        process.terminate()


def _lost(folder: Path) -> Path:
    """Revoke a device, and keep what somebody may have copied from it."""
    certs.device("bottles", ["lost"], folder)
    kept = folder / "kept.pem"
    for kind in ("pem", "key"):
        kept.with_suffix(f".{kind}").write_bytes((folder / f"devices/bottles/lost.{kind}").read_bytes())
    certs.revoke("bottles", ["lost"], folder)
    return kept


def _changed(text: str, folder: Path, chosen: dict[str, int]) -> str:
    moved = {"/mosquitto/config/": f"{DEPLOY}/", "/run/secrets/": f"{folder}/certs/", "/mosquitto/data/": f"{folder}/"}
    moved |= {f"listener {port}": f"listener {free} 127.0.0.1" for port, free in chosen.items()}
    for old, new in moved.items():
        assert old in text, old
        text = text.replace(old, new)
    return text + ("user root\n" if os.geteuid() == 0 else "")


@asynccontextmanager
async def connected(broker: Broker, name: str, *filters: str, client_id: str = "any") -> AsyncIterator[mqtt.Mqtt]:
    """A client with the certificate of this name."""
    tls = ssl.create_default_context(cafile=str(broker.folder / "ca.pem"))
    tls.load_cert_chain(broker.folder / f"{name}.pem", broker.folder / f"{name}.key")
    url = broker.devices if name.startswith("devices/") else broker.services
    async with mqtt.connect(url, client_id, filters, tls=tls) as link:
        async with asyncio.timeout(wait.PATIENCE):
            await link.connected.wait()
        yield link


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


async def test_a_device_speaks_under_its_own_name_only(broker: Broker) -> None:
    own, others = "strop/bottles/line-1/capture", ["strop/bottles/line-2/capture", "strop/cans/line-1/capture"]
    cloud = ["strop/bottles/line-1/grant", "strop/bottles/line-1/desired", "strop/bottles/line-2/desired"]
    up = [f"strop/+/+/{kind}" for kind in topics.UP]
    async with (
        connected(broker, "strop-ingest", *up, client_id="ingest") as ingest,
        connected(broker, "devices/bottles/line-2", "strop/bottles/line-2/desired") as neighbour,
        connected(broker, "devices/bottles/line-1", "strop/bottles/line-1/grant") as device,
    ):
        for topic in (*others, *cloud, own):  # the broker says PUBACK to each, and passes on what is allowed
            await device.publish(topic, b"mine")

        assert await heard(ingest) == [(own, b"mine")]
        assert await heard(neighbour) == []
        assert await heard(device) == []


async def test_a_device_hears_what_is_said_to_itself_only(broker: Broker) -> None:
    async with (
        connected(broker, "devices/bottles/line-1", "strop/bottles/+/grant", "strop/bottles/+/capture") as device,
        connected(broker, "strop-ingest", client_id="ingest-2") as ingest,
    ):
        for name in ("line-2", "line-1"):
            await ingest.publish(f"strop/bottles/{name}/grant", name.encode())

        assert await heard(device) == [("strop/bottles/line-1/grant", b"line-1")]


async def test_a_service_does_its_own_work_only(broker: Broker) -> None:
    async with (
        connected(broker, "devices/bottles/line-1", "strop/bottles/line-1/+") as device,
        connected(broker, "strop-ingest", client_id="ingest-3") as ingest,
        connected(broker, "strop-deployer", client_id="deployer") as deployer,
    ):
        await ingest.publish("strop/bottles/line-1/desired", b"not ingest's")
        await deployer.publish("strop/bottles/line-1/grant", b"not the deployer's")
        await deployer.publish("strop/bottles/line-1/desired", b"model")

        assert await heard(device) == [("strop/bottles/line-1/desired", b"model")]


async def test_a_device_cannot_take_the_session_of_another(broker: Broker) -> None:
    """Its client id is its certificate's name, whatever it asks for."""
    async with (
        connected(broker, "devices/bottles/line-2", "strop/bottles/line-2/grant") as neighbour,
        connected(broker, "devices/bottles/line-1", client_id="bottles/line-2"),
        connected(broker, "strop-ingest", client_id="ingest-4") as ingest,
    ):
        await ingest.publish("strop/bottles/line-2/grant", b"yours")

        assert await heard(neighbour) == [("strop/bottles/line-2/grant", b"yours")]
        assert neighbour.session == 1, "it was never pushed out"


async def test_a_device_that_joins_the_default_group_takes_no_captures_away(broker: Broker) -> None:
    """Mosquitto does not apply its access list to a subscription of `$share`: only the secret name keeps devices out."""
    settings = Settings.model_validate({"database_url": "postgresql://", "mqtt_url": "mqtt://", "mqtt_group": "secret"})
    default = settings.model_copy(update={"mqtt_group": None})
    async with (
        connected(broker, "devices/bottles/line-2", *announcements.filters(default)) as intruder,
        connected(broker, "strop-ingest", *announcements.filters(settings), client_id="ingest-5") as ingest,
        connected(broker, "devices/bottles/line-1") as device,
    ):
        for number in range(20):
            await device.publish("strop/bottles/line-1/capture", f"{number}".encode())

        assert len(await heard(ingest)) == 20
        assert await heard(intruder) == []


async def test_the_health_check_reads_the_brokers_clock_and_nothing_else(broker: Broker) -> None:
    async with (
        connected(broker, "strop-health", "$SYS/broker/#", "strop/+/+/capture", client_id="health") as health,
        connected(broker, "devices/bottles/line-1", client_id="any") as device,
    ):
        await device.publish("strop/bottles/line-1/capture", b"not for it")
        await health.publish("strop/bottles/line-1/desired", b"not its word")

        assert {topic for topic, _ in await heard(health)} == {"$SYS/broker/uptime"}


@pytest.mark.parametrize("shows", ["nothing", "another authority's certificate", "a revoked certificate"])
async def test_who_shows_no_certificate_of_ours_is_not_let_in(broker: Broker, tmp_path: Path, shows: str) -> None:
    tls = ssl.create_default_context(cafile=str(broker.folder / "ca.pem"))
    if shows == "a revoked certificate":
        tls.load_cert_chain(broker.lost, broker.lost.with_suffix(".key"))
    elif shows != "nothing":
        certs.make(tmp_path / "other", None)
        certs.device("bottles", ["line-1"], tmp_path / "other")
        tls.load_cert_chain(*(tmp_path / "other/devices/bottles" / f"line-1.{kind}" for kind in ("pem", "key")))
    address = urlsplit(broker.devices)

    def knock() -> bytes:
        with (
            socket.create_connection((address.hostname, address.port), timeout=10) as raw,
            tls.wrap_socket(raw, server_hostname="127.0.0.1") as link,
        ):
            link.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x")
            return link.recv(4)

    with pytest.raises(OSError, match=r"certificate required|unknown ca|certificate revoked|EOF occurred|reset"):
        await asyncio.to_thread(knock)
