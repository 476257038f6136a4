"""Devices without a camera, run inside the command's container: announce, upload what is asked for, print each one's fate.

Arguments: captures, captures a second, seconds after which an unanswered one is announced again, `new` for another picture
each time or `same` for one picture per device (the first is wanted, and the router drops the others as duplicates), device names.
"""

import asyncio
import hashlib
import io
import json
import ssl
import sys
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import structlog
from PIL import Image

from strop import mqtt
from strop_wire import ids, messages, topics

BROKER = "mqtts://mosquitto:8883"
PROJECT = "demo"
NEIGHBOUR = "line-04"
"""Enrolled, and never speaks."""


def picture() -> bytes:
    body = io.BytesIO()
    Image.fromarray(np.random.default_rng().integers(0, 255, (48, 64, 3), np.uint8)).save(body, "JPEG")
    return body.getvalue()


def announcement(body: bytes) -> messages.Capture:
    return messages.Capture(
        id=ids.new_id(),
        captured_at=datetime.now(UTC),
        model="v1",
        predictions=(messages.Prediction("can", 0.55), messages.Prediction("mug", 0.45)),
        reason="low",
        audit=False,
        audit_probability=0.05,
        probability=1.0,
        policy=0,
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        content_type="image/jpeg",
    )


class Device:
    """One device with its own certificate."""

    def __init__(self, name: str, pictures: str) -> None:
        self._topic = topics.topic(PROJECT, name, "capture")
        tls = ssl.create_default_context(cafile="/certs/ca.pem")
        tls.load_cert_chain(f"/certs/devices/{name}.pem", f"/certs/devices/{name}.key")
        self._name, self._tls = name, tls
        self._link = mqtt.Mqtt(BROKER, name, [topics.topic(PROJECT, name, "grant")], tls=lambda: tls)
        self._same = picture() if pictures == "same" else None
        self._bodies: dict[str, bytes] = {}
        self._settled: dict[str, asyncio.Event] = {}
        self.fates: dict[str, str | None] = {}
        self.announced: set[str] = set()  # the broker has them

    async def run(self, count: int, rate: float, repeat: float) -> None:
        await self._try_to_share()
        self._link.start()
        await self._link.connected.wait()
        # In another's name: the broker must not let it through, or the ledger has a row too many.
        await self._link.publish(topics.topic(PROJECT, NEIGHBOUR, "capture"), announcement(picture()).dumps())
        hearing = asyncio.create_task(self._hear())
        await asyncio.gather(*(self._capture(number / rate, repeat) for number in range(count)))
        hearing.cancel()
        await self._link.stop()

    async def _try_to_share(self) -> None:
        """Subscribe to a share of the announcements: the broker must refuse it."""
        async with mqtt.connect(BROKER, self._name, ["$share/any/strop/+/+/capture"], tls=lambda: self._tls) as link:
            async with asyncio.timeout(60):
                while not link.refused:
                    assert not link.connected.is_set(), "the broker accepts a device in a shared subscription"
                    await asyncio.sleep(0.1)

    async def _capture(self, delay: float, repeat: float) -> None:
        await asyncio.sleep(delay)
        said = announcement(body := self._same or picture())
        self._bodies[said.id], self.fates[said.id] = body, None
        settled = self._settled[said.id] = asyncio.Event()
        while not settled.is_set():
            try:
                await self._link.publish(self._topic, said.dumps())
            except (mqtt.NotConnected, TimeoutError):
                await asyncio.sleep(1)
                continue
            self.announced.add(said.id)
            with suppress(TimeoutError):
                async with asyncio.timeout(repeat):
                    await settled.wait()

    async def _hear(self) -> None:
        while True:
            heard = await self._link.batch()
            for grant in [each for message in heard for each in messages.Grant.loads(message.payload).captures]:
                if grant.action == "upload":
                    await asyncio.to_thread(self._put, grant)
                elif grant.capture in self.fates:
                    self.fates[grant.capture] = "stored" if grant.action == "stored" else "dropped"
                    self._settled[grant.capture].set()
            self._link.acknowledge(heard)

    def _put(self, grant: messages.CaptureGrant) -> None:
        if grant.url and (body := self._bodies.get(grant.capture)):
            request = urllib.request.Request(grant.url, body, grant.headers, method="PUT")
            urllib.request.urlopen(request, timeout=20).close()


async def main() -> None:
    count, rate, repeat, pictures = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    devices = [Device(name, pictures) for name in sys.argv[5:]]
    async with asyncio.TaskGroup() as group:
        for each in devices:
            group.create_task(each.run(count // len(devices), rate / len(devices), repeat))
        while sum(len(each.announced) for each in devices) < count:
            await asyncio.sleep(0.1)
        print("all announced", flush=True)
    print(json.dumps({capture: fate for each in devices for capture, fate in each.fates.items()}))


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for the test
asyncio.run(main())
