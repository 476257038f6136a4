"""The rights of devices at Mosquitto: its dynamic-security plugin lists the enrolled devices and no others.

The table of devices is the truth. One copy of ingest compares it with the plugin's list, when either may have changed, and
adds and removes what differs. Each command is idempotent, so a crash or a lost answer only makes the next comparison longer.
The broker closes the connection of a client whose rights change: a device that was connected before it was enrolled
subscribes again, and a removed device is disconnected.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db, loops, mqtt
from strop.settings import Settings
from strop_contracts import tables
from strop_wire import ids, topics

log = structlog.get_logger()

CONTROL = "$CONTROL/dynamic-security/v1"
RESPONSE = f"{CONTROL}/response"
INTERVAL = 1.0
"""Seconds between two reads of the table of devices."""
RECHECK = 600.0
"""Seconds after which the plugin's list is read again though nothing seems to have changed."""
TIMEOUT = 30.0
"""Seconds to wait for the plugin's answer to one message."""
PAGE = 500
"""Names in one answer of the plugin: about 35 KB."""
Device = tuple[str, str]
"""Project and name."""
Enrolled = Mapping[Device, str | None]
"""The alias of each enrolled device, which stays as long as the device is enrolled."""
Command = dict[str, Any]


class Refused(ConnectionError):
    """The plugin did not carry out a command."""


class DeviceRights:
    def __init__(self, make: db.Sessions, settings: Settings, tls: mqtt.Tls) -> None:
        self._make, self._settings, self._tls = make, settings, tls

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the plugin's list equal to the table; another copy takes over when this one ends."""
        name = f"{self._settings.mqtt_client_id or self._settings.queue_prefix}-device-rights"
        while not stop.is_set():
            try:
                async with db.hold(self._make, name) as session:
                    if session:
                        await self._keep(session, name, stop)
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                log.warning("device_rights_not_updated", error=repr(error))
            await loops.pause(INTERVAL, stop)

    async def _keep(self, session: AsyncSession, name: str, stop: asyncio.Event) -> None:
        async with mqtt.connect(self._settings.mqtt_url, name, [RESPONSE], tls=self._tls) as link:
            plugin, last = Plugin(link), None
            while not stop.is_set():
                enrolled = await _enrolled(session)  # fails when the connection that holds the lock is lost
                if link.connected.is_set():
                    state = enrolled, link.session, int(time.monotonic() / RECHECK)
                    if state != last:
                        await reconcile(plugin, enrolled)
                    last = state
                await loops.pause(INTERVAL, stop)


class Plugin:
    """Commands to the dynamic-security plugin, over a connection that is subscribed to its responses."""

    def __init__(self, link: mqtt.Mqtt, page: int = PAGE) -> None:
        self._link, self._page = link, page

    async def listed(self) -> set[Device]:
        """Return the devices that the plugin lists; services have no slash in their names."""
        names: list[str] = []
        while True:
            command = {"command": "listClients", "count": self._page, "offset": len(names)}
            (answer,) = await self.send([command])
            names += answer["data"]["clients"]
            if len(names) >= answer["data"]["totalCount"]:
                break
        return {(project, device) for project, slash, device in (each.partition("/") for each in names) if slash}

    async def send(self, commands: Sequence[Command], accepted: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Send commands in one message and return their answers. Refused for an error other than those `accepted`."""
        number = ids.new_id()
        body = {"commands": [{**each, "correlationData": number} for each in commands]}
        await self._link.publish(CONTROL, json.dumps(body).encode(), timeout=TIMEOUT)
        async with asyncio.timeout(TIMEOUT):
            while True:
                batch = await self._link.batch(linger=0)
                self._link.acknowledge(batch)
                for each in batch:
                    answers: list[dict[str, Any]] = json.loads(each.payload)["responses"]
                    if answers and answers[0].get("correlationData") == number:
                        _check(answers, accepted)
                        return answers


async def reconcile(plugin: Plugin, enrolled: Enrolled) -> None:
    """Make the plugin list exactly the devices that are enrolled.

    One message per device, so that the broker serves its clients in between: Mosquitto 2.0 writes its whole list for each command.
    """
    listed = await plugin.listed()
    for project, device in sorted(listed - enrolled.keys()):
        await plugin.send(_removal(project, device), ("Client not found", "Role not found"))
        log.info("device_rights_removed", project=project, device=device)
    for project, device in sorted(enrolled.keys() - listed):
        await plugin.send(_addition(project, device, enrolled[project, device]), ("Role already exists",))
        log.info("device_rights_added", project=project, device=device)


def rights(project: str, device: str, alias: str | None) -> list[dict[str, object]]:
    """What a device may do: publish and subscribe under its own name, to no pattern and so to no shared subscription."""
    publishes = [topics.topic(project, device, kind) for kind in topics.UP]
    publishes.append(topics.classify_response(project, device))
    receives = [topics.topic(project, device, kind) for kind in topics.DOWN]
    receives.append(topics.classify_request(project, device))
    if alias:
        publishes.append(topics.alias_response(alias))
        receives.append(topics.alias_request(alias))
    allowed = [("publishClientSend", topic) for topic in publishes]
    allowed += [(kind, topic) for topic in receives for kind in ("publishClientReceive", "subscribeLiteral")]
    return [{"acltype": kind, "topic": topic, "allow": True} for kind, topic in allowed]


def _addition(project: str, device: str, alias: str | None = None) -> list[Command]:
    """The last command changes nothing: it makes the broker disconnect a client that was connected without rights."""
    name = f"{project}/{device}"
    return [
        {"command": "createRole", "rolename": name, "acls": rights(project, device, alias)},
        {"command": "createClient", "username": name, "roles": [{"rolename": name}]},
        {"command": "modifyClient", "username": name},
    ]


def _removal(project: str, device: str) -> list[Command]:
    name = f"{project}/{device}"
    return [{"command": "deleteClient", "username": name}, {"command": "deleteRole", "rolename": name}]


def _check(answers: Iterable[dict[str, Any]], accepted: Sequence[str]) -> None:
    for each in answers:
        if (error := each.get("error")) and error not in accepted:
            raise Refused(f"{each['command']}: {error}")


async def _enrolled(session: AsyncSession) -> Enrolled:
    table = tables.Device
    rows = await session.execute(select(table.project, table.name, table.alias))
    return {(project, name): alias for project, name, alias in rows}
