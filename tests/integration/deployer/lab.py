"""A project with devices on a real broker: paho stands in for the agents, direct calls for the events of ingest."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select, text, update

from deployer import handlers, publishing, rollouts, settling
from deployer.settings import Settings
from deployer.targets import base
from strop import app, db
from strop_contracts import events, tables
from strop_wire import ids, messages, topics
from tests import factories, roles, wait

STAGES = [0.25, 1.0]
QUICK = Settings(stages=STAGES, soak=0, min_predictions=0, stage_timeout=3600, tick=0.05)

DESIRED = messages.Desired(
    "0",
    "v1",
    {name: messages.ModelFile("0" * 64, 1) for name in ("model.json", "head.onnx", "backbone.onnx")},
    messages.Policy(),
)


class PahoDevice:
    """What a device hears on its `desired` topic: a message, or None for an empty one."""

    def __init__(self, project: str, name: str) -> None:
        self.project, self.name = project, name
        self._heard: asyncio.Queue[messages.Desired | None] = asyncio.Queue()

    @asynccontextmanager
    async def online(self, url: str) -> AsyncIterator["PahoDevice"]:
        loop, address, ready = asyncio.get_running_loop(), urlsplit(url), asyncio.Event()
        client = Client(CallbackAPIVersion.VERSION2, f"{self.project}:{self.name}")

        def hear(_client: Client, _data: object, message: MQTTMessage) -> None:
            desired = messages.Desired.loads(bytes(message.payload)) if message.payload else None
            loop.call_soon_threadsafe(self._heard.put_nowait, desired)

        def subscribe(*_: object) -> None:
            client.subscribe(topics.topic(self.project, self.name, "desired"), 1)

        def subscribed(*_: object) -> None:
            loop.call_soon_threadsafe(ready.set)

        client.on_message, client.on_connect, client.on_subscribe = hear, subscribe, subscribed
        client.connect(address.hostname or "", address.port or 1883)
        client.loop_start()
        try:
            await wait.within(ready.wait(), wait.PATIENCE)
            yield self
        finally:
            client.disconnect()
            client.loop_stop()

    async def hears(self) -> messages.Desired:
        """The next `desired`."""
        desired = await wait.within(self._heard.get(), wait.PATIENCE)
        assert desired is not None, "an empty message"
        return desired

    async def hears_empty(self) -> None:
        assert await wait.within(self._heard.get(), wait.PATIENCE) is None

    def nothing_heard(self) -> bool:
        return self._heard.empty()

    def heard(self) -> list[messages.Desired | None]:
        """What has come and was not looked at yet."""
        return [self._heard.get_nowait() for _ in range(self._heard.qsize())]


class Lab:
    """Arranges rows as the other services would write them, and reads the deployer's."""

    def __init__(self, runtime: app.Runtime, project: str) -> None:
        self.runtime, self.project, self.url = runtime, project, runtime.settings.mqtt_url

    @asynccontextmanager
    async def fleet(self, size: int) -> AsyncIterator[list[PahoDevice]]:
        """Enrol and switch on so many devices."""
        fleet = [PahoDevice(self.project, f"cam-{n}") for n in range(size)]
        async with roles.arranging(self.runtime).begin() as session:
            await factories.make_project(session, self.project, tuple(device.name for device in fleet))
        async with _all_online(fleet, self.url):
            await self.seen(*fleet)
            yield fleet

    @asynccontextmanager
    async def joins(self, name: str) -> AsyncIterator[PahoDevice]:
        """Enrol and switch on one more device."""
        device = PahoDevice(self.project, name)
        async with roles.arranging(self.runtime).begin() as session:
            session.add(tables.Device(project=self.project, name=name, seen_at=datetime.now(UTC)))
        async with device.online(self.url):
            yield device

    async def seen(self, *fleet: PahoDevice, ago: float = 0) -> None:
        await self._device(*fleet, seen_at=datetime.now(UTC) - timedelta(seconds=ago))

    async def _device(self, *fleet: PahoDevice, **values: object) -> None:
        named = tables.Device.name.in_([device.name for device in fleet])
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(
                update(tables.Device).where(tables.Device.project == self.project, named).values(**values)
            )

    async def model(self, version: int, state: str = "approved") -> None:
        async with roles.arranging(self.runtime).begin() as session:
            await factories.make_model(session, version, self.project, state)

    async def approve(self, version: int, stages: Sequence[float] = STAGES) -> None:
        """Train a model version and approve it."""
        await self.model(version)
        await self.approved(version, stages)

    async def approved(self, version: int, stages: Sequence[float] = STAGES) -> None:
        event = events.ModelApproved(project=self.project, model_version=version)
        async with self.runtime.sessions.begin() as session:
            settings = QUICK.model_copy(update={"stages": list(stages)})
            await handlers.on_model_approved(event, session, settings=settings)

    async def answers(self, device: PahoDevice, desired: messages.Desired, failed: str = "") -> None:
        """Report as an agent does: it runs the model now, or says why not."""
        outcome = "failed" if failed else "installed"
        running = {} if failed else {"model": desired.model}
        await self._device(device, seen_at=datetime.now(UTC), **running)
        await self.reported(
            device, running.get("model"), deployment_id=UUID(desired.deployment), outcome=outcome, reason=failed
        )

    async def reported(self, device: PahoDevice, model: str | None, **answer: object) -> None:
        event = events.DeviceReported.model_validate(
            {"project": self.project, "device": device.name, "model": model, **answer}
        )
        async with self.runtime.sessions.begin() as session:
            await handlers.on_device_reported(event, session)

    async def roll_back(self, to_version: int | None = None) -> tables.Deployment | None:
        async with self.runtime.sessions.begin() as session:
            return await rollouts.roll_back(session, self.project, to_version, "the operator says so", "ada")

    async def deployments(self) -> list[tables.Deployment]:
        """All of them, oldest first."""
        rows = select(tables.Deployment).where(tables.Deployment.project == self.project)
        async with roles.arranging(self.runtime)() as session:
            return list(await session.scalars(rows.order_by(tables.Deployment.at)))

    async def history(self) -> list[tuple[int, str, str]]:
        """Model version, kind and state of all deployments, oldest first."""
        return [(each.model_version, each.kind, each.state) for each in await self.deployments()]

    async def rows(self, deployment: tables.Deployment | None = None) -> dict[str, tables.DeploymentDevice]:
        """The devices of a deployment, else of the newest."""
        chosen = deployment or (await self.deployments())[-1]
        rows = select(tables.DeploymentDevice).where(tables.DeploymentDevice.deployment_id == chosen.id)
        async with roles.arranging(self.runtime)() as session:
            return {row.device: row for row in await session.scalars(rows)}

    async def stage(self, fleet: Sequence[PahoDevice], number: int) -> list[PahoDevice]:
        """The devices of one stage of the newest deployment."""
        rows = await self.rows()
        return [device for device in fleet if rows[device.name].stage == number]

    async def set_policy(self, version: int, **body: object) -> None:
        async with roles.arranging(self.runtime).begin() as session:
            session.add(tables.Policy(project=self.project, version=version, body=body))

    async def lose_files(self, version: int) -> None:
        """Damage a model version: no order can be made of it."""
        damage = text(
            """update model_versions set files = '{"head.onnx": {}}' where project = :project and version = :v"""
        )
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(damage, {"project": self.project, "v": version})

    async def damage_stages(self) -> None:
        """Damage the newest deployment: no late device can be given a stage."""
        newest = (await self.deployments())[-1]
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(
                update(tables.Deployment).where(tables.Deployment.id == newest.id).values(stages=["all"])
            )

    async def end_leases(self) -> None:
        """Let the leases of orders run out."""
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(update(tables.DeploymentDevice).values(leased_until=datetime.now(UTC)))

    async def backdate(self, seconds: float) -> None:
        """Let time pass for the newest deployment: its stage, and what it sent."""
        newest, passed = (await self.deployments())[-1], timedelta(seconds=seconds)
        D, DD = tables.Deployment, tables.DeploymentDevice  # noqa: N806 - as in queries.py
        async with roles.arranging(self.runtime).begin() as session:
            await session.execute(update(D).where(D.id == newest.id).values(stage_at=D.stage_at - passed))
            await session.execute(update(DD).where(DD.deployment_id == newest.id).values(sent_at=DD.sent_at - passed))


class Ticking:
    """The ticks of one copy of the service, called by the test."""

    def __init__(self, make: db.Sessions, target: base.Target, settings: Settings = QUICK) -> None:
        self.settle = settling.Settling(make, settings).tick
        self.publish = publishing.Publishing(make, target, settings).tick


async def turn(ticking: Ticking) -> None:
    await ticking.settle()
    await ticking.publish()


async def finish(lab: Lab, ticking: Ticking, fleet: Sequence[PahoDevice]) -> None:
    """Let the running deployment succeed on all of the fleet."""
    while "running" in {state for _, _, state in await lab.history()}:
        await turn(ticking)
        await asyncio.sleep(0.01)  # what was sent is on its way through the broker
        for device in fleet:
            for desired in device.heard():
                assert desired is not None
                await lab.answers(device, desired)


@asynccontextmanager
async def _all_online(fleet: Sequence[PahoDevice], url: str) -> AsyncIterator[None]:
    if not fleet:
        yield
        return
    async with fleet[0].online(url), _all_online(fleet[1:], url):
        yield


def unique_client_id() -> str:
    return f"test-{ids.new_id()}"
