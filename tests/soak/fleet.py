"""Devices without a camera: they speak the wire as an agent does, and keep a journal of every capture as it does."""

import asyncio
import random
import time
from contextlib import suppress

import httpx

from strop import mqtt
from strop_wire import ids, messages, reports, topics
from tests import factories
from tests.unit.trainer import lab as shapes

REPEAT = 4.0
"""Seconds until a capture without its final answer is announced again, doubling each time; an agent begins with 30."""
AGAIN = 10.0
"""Seconds for which a grant is not taken for what was just uploaded."""


def pictures(device: str, count: int) -> dict[bytes, str]:
    """Images that nobody else has, with what is on them."""
    labels = [shapes.LABELS[number % len(shapes.LABELS)] for number in range(count)]
    return {shapes.picture(label, hash((device, n)) % 2**32): label for n, label in enumerate(labels)}


class Device:
    """Announces its pictures at a pace, each until it is told `stored` or `drop`; runs whatever model is desired."""

    def __init__(self, url: str, name: str, images: list[bytes], project: str = factories.PROJECT) -> None:
        self.fates: dict[str, str] = {}  # the journal: capture -> kept, announced, stored or dropped:cloud:…
        self._address, self._images = (project, name), images
        self._bodies: dict[str, bytes] = {}
        self._granted: dict[str, messages.CaptureGrant] = {}  # the latest, in order of arrival
        self._uploaded: dict[str, float] = {}
        self._wanted = asyncio.Event()
        self._boot, self._sequence = ids.new_id(), 0
        self._model: str | None = None
        filters = [self._topic("grant"), self._topic("desired")]
        self._link = mqtt.Mqtt(url, f"{project}:{name}", filters)

    @property
    def done(self) -> bool:
        final = sum(fate == "stored" or fate.startswith("dropped") for fate in self.fates.values())
        return final == len(self._images)

    async def run(self, pace: float, stop: asyncio.Event) -> None:
        """`pace`: seconds between two captures. Ends when told to, and hears its orders until then."""
        self._link.start()
        async with httpx.AsyncClient(timeout=5) as http, asyncio.TaskGroup() as group:
            working = [group.create_task(self._hear()), group.create_task(self._upload(http))]
            for image in self._images:
                group.create_task(self._offer(image))
                await asyncio.sleep(pace * random.uniform(0.5, 1.5))
            await stop.wait()
            for task in working:
                task.cancel()
        await self._link.stop()

    async def _offer(self, image: bytes) -> None:
        said = factories.announcement(image)
        self._bodies[said.id], self.fates[said.id] = image, "kept"
        wait = REPEAT
        while self.fates[said.id] in {"kept", "announced"}:
            if await self._say(said) and self.fates[said.id] == "kept":
                self.fates[said.id] = "announced"
            await asyncio.sleep(wait * random.uniform(0.75, 1.25))
            wait = min(2 * wait, 30)

    async def _say(self, message: messages.Message) -> bool:
        with suppress(mqtt.NotConnected, TimeoutError):
            await self._link.publish(self._topic(type(message).__name__.lower()), message.dumps())
            return True
        return False

    async def _hear(self) -> None:
        while True:
            for heard in await self._link.batch():
                if heard.topic == self._topic("desired"):
                    await self._install(messages.Desired.loads(heard.payload))
                else:
                    for grant in messages.Grant.loads(heard.payload).captures:
                        self._obey(grant)
                self._link.acknowledge([heard])

    async def _install(self, desired: messages.Desired) -> None:
        self._model = desired.model
        self._sequence += 1
        answer = reports.Outcome(desired.deployment, "installed")
        state = factories.state(boot=self._boot, sequence=self._sequence, model=self._model, answer=answer)
        await self._say(state)  # when that fails, the deployer says it again and so do we

    def _obey(self, grant: messages.CaptureGrant) -> None:
        if grant.action == "upload":
            if time.monotonic() - self._uploaded.get(grant.capture, -AGAIN) >= AGAIN:
                self._granted[grant.capture] = grant
                self._wanted.set()
        else:
            self._granted.pop(grant.capture, None)
            self.fates[grant.capture] = "stored" if grant.action == "stored" else f"dropped:cloud:{grant.reason}"

    async def _upload(self, http: httpx.AsyncClient) -> None:
        while True:
            await self._wanted.wait()
            while self._granted:
                grant = self._granted.pop(next(iter(self._granted)))
                assert grant.url
                with suppress(httpx.HTTPError):  # the next announcement brings a fresh address
                    answer = await http.put(grant.url, headers=grant.headers, content=self._bodies[grant.capture])
                    if answer.is_success:
                        self._uploaded[grant.capture] = time.monotonic()
            self._wanted.clear()

    def _topic(self, kind: str) -> str:
        return topics.topic(*self._address, kind)
