"""Rights at the broker: the shipped configuration, a real Mosquitto, and certificates as `strop certs` makes them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from ingest import device_rights, enrolment
from ingest.sources import mqtt as mqtt_source
from strop import app, mqtt
from strop_cli import certs
from strop_wire import topics
from tests import factories, roles, wait
from tests.integration.ingest.access import (
    DEPLOY,
    ENROLLED,
    SETTINGS,
    Broker,
    attempt,
    connected,
    granted,
    heard,
    knock,
    until,
)


async def test_a_device_publishes_under_its_own_name_only(mosquitto: Broker) -> None:
    own, others = "strop/bottles/line-1/capture", ["strop/bottles/line-2/capture", "strop/cans/line-1/capture"]
    cloud = ["strop/bottles/line-1/grant", "strop/bottles/line-1/desired", "strop/bottles/line-2/desired"]
    up = [f"strop/+/+/{kind}" for kind in topics.UP]
    async with (
        connected(mosquitto, "strop-ingest", *up, client_id="ingest") as ingest,
        connected(mosquitto, "devices/bottles/line-2", "strop/bottles/line-2/desired") as neighbour,
        connected(mosquitto, "devices/bottles/line-1", "strop/bottles/line-1/grant") as device,
    ):
        for topic in (*others, *cloud, own):  # the broker says PUBACK to each, and passes on what is allowed
            await device.publish(topic, b"mine")

        assert await heard(ingest) == [(own, b"mine")]
        assert await heard(neighbour) == []
        assert await heard(device) == []


async def test_a_device_receives_its_own_messages_only(mosquitto: Broker) -> None:
    async with (
        connected(mosquitto, "devices/bottles/line-1", "strop/bottles/line-1/grant") as device,
        connected(mosquitto, "strop-ingest", client_id="ingest-2") as ingest,
    ):
        for name in ("line-2", "line-1"):
            await ingest.publish(f"strop/bottles/{name}/grant", name.encode())

        assert await heard(device) == [("strop/bottles/line-1/grant", b"line-1")]


async def test_a_service_does_its_own_work_only(mosquitto: Broker) -> None:
    own = "strop/bottles/line-1/desired"
    async with (
        connected(mosquitto, "devices/bottles/line-1", "strop/bottles/line-1/grant", own) as device,
        connected(mosquitto, "strop-ingest", client_id="ingest-3") as ingest,
        connected(mosquitto, "strop-deployer", client_id="deployer") as deployer,
    ):
        await ingest.publish(own, b"not ingest's")
        await deployer.publish("strop/bottles/line-1/grant", b"not the deployer's")
        await deployer.publish(own, b"model")

        assert await heard(device) == [(own, b"model")]


async def test_a_device_cannot_take_the_session_of_another(mosquitto: Broker) -> None:
    """Its client id is its certificate's name, whatever it asks for."""
    async with (
        connected(mosquitto, "devices/bottles/line-2", "strop/bottles/line-2/grant") as neighbour,
        connected(mosquitto, "devices/bottles/line-1", client_id="bottles/line-2"),
        connected(mosquitto, "strop-ingest", client_id="ingest-4") as ingest,
    ):
        await ingest.publish("strop/bottles/line-2/grant", b"yours")

        assert await heard(neighbour) == [("strop/bottles/line-2/grant", b"yours")]
        assert neighbour.session == 1, "it was never pushed out"


SHARED = [
    *mqtt_source.filters(SETTINGS),  # with the right name of the group
    "$share/any/strop/+/+/capture",
    "$share/any/strop/bottles/line-2/grant",  # also of topics that the device may read
    "$share/any/#",
    "$share/secret/$SYS/#",
    "$share",
    "$share/secret",
]


@pytest.mark.parametrize("topic", [*SHARED, "#", "+/#", "strop/#", "strop/bottles/+/grant", "$SYS/#", "$CONTROL/#"])
async def test_a_device_subscribes_to_no_shared_group_and_no_pattern(mosquitto: Broker, topic: str) -> None:
    assert await granted(mosquitto, "devices/bottles/line-2", topic) == [False]


async def test_a_device_subscribes_to_what_is_sent_to_it(mosquitto: Broker) -> None:
    own = [topics.topic("bottles", "line-2", kind) for kind in topics.DOWN]
    own.append(topics.classify_request("bottles", "line-2"))

    assert await granted(mosquitto, "devices/bottles/line-2", *own) == [True] * 3


async def test_a_device_that_names_the_group_takes_no_captures_away(mosquitto: Broker) -> None:
    """Not while it is connected, and not by the session that it leaves behind."""
    shared = mqtt_source.filters(SETTINGS)
    async with (
        connected(mosquitto, "strop-ingest", *shared, client_id="ingest-5") as ingest,
        connected(mosquitto, "devices/bottles/line-1") as device,
    ):
        async with attempt(mosquitto, "devices/bottles/line-2", *shared) as intruder:
            assert intruder.refused == shared
            for number in range(20):
                await device.publish("strop/bottles/line-1/capture", f"{number}".encode())
        for number in range(20):
            await device.publish("strop/bottles/line-1/capture", f"{number} later".encode())

        assert len(await heard(ingest)) == 40


async def test_a_device_that_is_not_enrolled_does_nothing(mosquitto: Broker) -> None:
    own = "strop/bottles/new"
    async with (
        connected(mosquitto, "strop-ingest", "strop/+/+/capture", client_id="ingest-6") as ingest,
        connected(mosquitto, "devices/bottles/new") as device,
    ):
        await device.publish(f"{own}/capture", b"not enrolled")

        assert await heard(ingest) == []
    assert await granted(mosquitto, "devices/bottles/new", f"{own}/grant", *SHARED) == [False] * (1 + len(SHARED))


async def test_a_device_connected_before_it_is_enrolled_gets_its_rights(mosquitto: Broker) -> None:
    """The broker disconnects it; it connects and subscribes again."""
    async with attempt(mosquitto, "devices/bottles/new", "strop/bottles/new/grant") as device:
        await mosquitto.enrol(ENROLLED | {("bottles", "new"): None})
        async with asyncio.timeout(wait.PATIENCE):
            await device.connected.wait()
        async with connected(mosquitto, "strop-ingest", client_id="ingest-7") as ingest:
            await ingest.publish("strop/bottles/new/grant", b"yours")

        assert await heard(device) == [("strop/bottles/new/grant", b"yours")]
    await mosquitto.enrol(ENROLLED)


async def test_a_refused_subscription_is_requested_again(mosquitto: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "RESUBSCRIBE", 0.05)
    async with attempt(mosquitto, "devices/bottles/new", "strop/bottles/new/grant") as device:
        async with connected(mosquitto, "strop-ingest", device_rights.RESPONSE, client_id="rights") as link:
            *granting, _disconnecting = device_rights._addition("bottles", "new")
            await device_rights.Plugin(link).send(granting)

        await until(device.connected.is_set)
        assert device.session == 1
    await mosquitto.enrol(ENROLLED)


async def test_a_removed_device_is_disconnected_and_without_rights(mosquitto: Broker) -> None:
    grant, capture = "strop/bottles/removed/grant", "strop/bottles/removed/capture"
    await mosquitto.enrol(ENROLLED | {("bottles", "removed"): None})
    async with (
        connected(mosquitto, "strop-ingest", "strop/+/+/capture", client_id="ingest-8") as ingest,
        connected(mosquitto, "devices/bottles/removed", grant) as device,
    ):
        await mosquitto.enrol(ENROLLED)
        await until(lambda: not device.connected.is_set())
        async with connected(mosquitto, "devices/bottles/removed") as again:
            await again.publish(capture, b"not enrolled")
        await ingest.publish(grant, b"not for it")

        assert await heard(ingest) == []
        assert await heard(device) == []
    assert await granted(mosquitto, "devices/bottles/removed", grant) == [False]


async def test_a_revoked_device_is_disconnected_and_refused_without_a_restart(mosquitto: Broker) -> None:
    """What an operator does: `devices remove`, `certs revoke`, SIGHUP. The others stay connected."""
    kept = _copied(mosquitto.folder, "lost")
    await mosquitto.enrol(ENROLLED | {("bottles", "lost"): None})
    async with (
        connected(mosquitto, "devices/bottles/line-1") as other,
        connected(mosquitto, "devices/bottles/lost", "strop/bottles/lost/grant") as lost,
    ):
        await mosquitto.enrol(ENROLLED)
        certs.revoke("bottles", ["lost"], mosquitto.folder)
        mosquitto.reload()
        await until(lambda: not lost.connected.is_set())

        await wait.until(lambda: refused(mosquitto, kept))  # the broker reads the list some time after the signal
        await other.publish("strop/bottles/line-1/capture", b"still there")
        assert other.session == 1
    certs.device("bottles", ["lost"], mosquitto.folder)
    await mosquitto.enrol(ENROLLED | {("bottles", "lost"): None})
    assert await granted(mosquitto, "devices/bottles/lost", "strop/bottles/lost/grant") == [True], (
        "with a new certificate"
    )
    await mosquitto.enrol(ENROLLED)


async def refused(mosquitto: Broker, shown: Path) -> bool:
    """Whether the broker refuses a device's certificate as revoked."""
    try:
        await asyncio.to_thread(knock, mosquitto.devices, mosquitto.folder / "ca.pem", shown)
    except OSError as error:
        return bool(re.search("certificate revoked|EOF occurred|reset", str(error)))
    return False


def _copied(folder: Path, name: str) -> Path:
    """Keep what an attacker may have copied from a device."""
    kept = folder / f"kept-{name}.pem"
    for kind in ("pem", "key"):
        kept.with_suffix(f".{kind}").write_bytes((folder / f"devices/bottles/{name}.{kind}").read_bytes())
    return kept


async def test_rights_and_queued_messages_survive_a_restart_of_the_broker(mosquitto: Broker) -> None:
    grant = "strop/bottles/line-2/grant"
    async with connected(mosquitto, "devices/bottles/line-2", grant):
        pass
    async with connected(mosquitto, "strop-ingest", client_id="ingest-9") as ingest:
        await ingest.publish(grant, b"while offline")
    mosquitto.stop()
    mosquitto.start()

    async with connected(mosquitto, "devices/bottles/line-2", grant) as device:
        assert await heard(device) == [(grant, b"while offline")]


async def test_a_reload_keeps_sessions_of_offline_devices(mosquitto: Broker) -> None:
    grant = "strop/bottles/line-2/grant"
    async with connected(mosquitto, "devices/bottles/line-2", grant):
        pass
    mosquitto.reload()
    async with connected(mosquitto, "strop-ingest", client_id="ingest-10") as ingest:
        await ingest.publish(grant, b"while offline")

    async with connected(mosquitto, "devices/bottles/line-2", grant) as device:
        assert await heard(device) == [(grant, b"while offline")]


async def test_a_device_does_not_change_the_rights(mosquitto: Broker) -> None:
    before = mosquitto.rights.read_bytes()
    command = b'{"commands": [{"command": "createRole", "rolename": "mine"}]}'
    async with connected(mosquitto, "devices/bottles/line-1") as device:
        await device.publish(device_rights.CONTROL, command)

    assert mosquitto.rights.read_bytes() == before
    assert await granted(mosquitto, "devices/bottles/line-1", device_rights.RESPONSE) == [False]


async def test_a_second_reconciliation_changes_nothing(mosquitto: Broker) -> None:
    before = mosquitto.rights.read_bytes()

    await mosquitto.enrol(ENROLLED)

    assert mosquitto.rights.read_bytes() == before


async def test_a_list_of_several_pages_is_read_completely(mosquitto: Broker) -> None:
    async with connected(mosquitto, "strop-ingest", device_rights.RESPONSE, client_id="rights") as link:
        assert await device_rights.Plugin(link, page=1).listed() == set(ENROLLED)


async def test_the_health_check_reads_the_brokers_clock_and_nothing_else(mosquitto: Broker) -> None:
    async with (
        connected(mosquitto, "strop-health", "$SYS/broker/uptime", client_id="health") as health,
        connected(mosquitto, "devices/bottles/line-1", client_id="any") as device,
    ):
        await device.publish("strop/bottles/line-1/capture", b"not for it")
        await health.publish("strop/bottles/line-1/desired", b"not its word")

        assert {topic for topic, _ in await heard(health)} == {"$SYS/broker/uptime"}
    async with attempt(mosquitto, "strop-health", "strop/+/+/capture", client_id="health-2") as health:
        assert health.refused == ["strop/+/+/capture"]


@pytest.mark.parametrize("shows", ["nothing", "another authority's", "a service's"])
async def test_the_listener_of_devices_refuses_other_certificates(
    mosquitto: Broker, tmp_path: Path, shows: str
) -> None:
    shown = None
    if shows == "a service's":
        shown = mosquitto.folder / "strop-ingest.pem"
    elif shows != "nothing":
        certs.make(tmp_path / "other", None)
        certs.device("bottles", ["line-1"], tmp_path / "other")
        shown = tmp_path / "other/devices/bottles/line-1.pem"

    with pytest.raises(OSError, match=r"certificate required|unknown ca|EOF occurred|reset"):
        await asyncio.to_thread(knock, mosquitto.devices, mosquitto.folder / "ca.pem", shown)


async def test_the_listener_of_services_refuses_a_devices_certificate(mosquitto: Broker) -> None:
    """So a device cannot take a service's client id, and with it the session."""
    shown = mosquitto.folder / "devices/bottles/line-1.pem"

    with pytest.raises(OSError, match=r"unknown ca|EOF occurred|reset"):
        await asyncio.to_thread(knock, mosquitto.services, mosquitto.folder / "ca.pem", shown)


async def test_a_device_that_asks_for_a_services_client_id_does_not_get_it(mosquitto: Broker) -> None:
    async with (
        connected(mosquitto, "strop-ingest", "strop/+/+/capture", client_id="ingest-11") as ingest,
        connected(mosquitto, "devices/bottles/line-1", client_id="ingest-11") as device,
    ):
        await device.publish("strop/bottles/line-1/capture", b"a capture")

        assert await heard(ingest) == [("strop/bottles/line-1/capture", b"a capture")]
        assert ingest.session == 1


@asynccontextmanager
async def kept(runtime: app.Runtime, mosquitto: Broker) -> AsyncIterator[None]:
    """Ingest's loop, with the database of this test."""
    own = {"mqtt_url": mosquitto.services, "mqtt_ca": str(mosquitto.folder / "ca.pem")}
    own |= {
        f"mqtt_{kind}": str(mosquitto.folder / f"strop-ingest.{end}") for kind, end in (("cert", "pem"), ("key", "key"))
    }
    settings, stop = runtime.settings.model_copy(update=own), asyncio.Event()
    loop = device_rights.DeviceRights(runtime.sessions, settings, partial(mqtt.tls_context, settings))
    running = asyncio.create_task(loop.run(stop))
    yield
    stop.set()
    await running
    await mosquitto.enrol(ENROLLED)


async def listed(mosquitto: Broker, wanted: set[device_rights.Device]) -> None:
    """Wait until the broker lists these devices."""
    async with connected(mosquitto, "strop-ingest", device_rights.RESPONSE, client_id="look") as link:

        async def look() -> bool:
            return await device_rights.Plugin(link).listed() == wanted

        await wait.until(look)


async def test_devices_get_and_lose_their_rights_while_ingest_runs(runtime: app.Runtime, mosquitto: Broker) -> None:
    make = roles.arranging(runtime)
    async with make.begin() as session:
        await factories.make_project(session, "cans", ("line-1",))
    async with kept(runtime, mosquitto), connected(mosquitto, "devices/bottles/line-1") as removed:
        await listed(mosquitto, {("cans", "line-1")})
        await until(lambda: not removed.connected.is_set())
        async with make.begin() as session:
            await enrolment.add_device(session, "cans", "line-2")
            await enrolment.remove_device(session, "cans", "line-1")
        await listed(mosquitto, {("cans", "line-2")})


async def test_a_broker_that_lost_its_list_gets_it_again(runtime: app.Runtime, mosquitto: Broker) -> None:
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "cans", ("line-1",))
    async with kept(runtime, mosquitto):
        await listed(mosquitto, {("cans", "line-1")})
        mosquitto.stop()
        mosquitto.rights.write_bytes((DEPLOY / "dynamic-security.json").read_bytes())
        mosquitto.start()

        await listed(mosquitto, {("cans", "line-1")})


async def test_one_of_several_copies_keeps_the_list(runtime: app.Runtime, mosquitto: Broker) -> None:
    """The others take over when it ends."""
    make = roles.arranging(runtime)
    async with make.begin() as session:
        await factories.make_project(session, "cans", ("line-1",))
    async with kept(runtime, mosquitto):
        async with kept(runtime, mosquitto):
            await listed(mosquitto, {("cans", "line-1")})
        async with make.begin() as session:
            await enrolment.add_device(session, "cans", "line-3")

        await listed(mosquitto, {("cans", "line-1"), ("cans", "line-3")})
