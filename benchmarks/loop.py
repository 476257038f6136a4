"""How long a capture takes from a device's word to a visible label task, hop by hop, at 50 captures a second.

The services run as processes of their own, as in production. Devices announce at a steady pace and PUT each wanted image
as soon as its grant arrives. There is no floor: the hops add up to the whole, and each is a queue, a poll or a commit.
"""

import argparse
import asyncio
import os
import statistics
import time
from contextlib import ExitStack
from uuid import UUID

import aiohttp
import psutil
import yarl
from sqlalchemy import select

from benchmarks import lab
from strop import app, mqtt
from strop.settings import Settings
from strop_contracts import tables
from strop_image import header
from strop_wire import messages, topics
from tests import factories

DEVICES = 20
SERVICES = ("ingest", "router", "labeling_queue")

PHOTOGRAPHS = [factories.picture(seed, (640, 480)) for seed in range(16)]
"""Of 16 KB, as the photographs of trashnet are on average."""

Times = dict[UUID, float]
"""When something happened to a capture, in seconds since the epoch."""


class Fleet:
    """Devices that announce, upload, and note when."""

    def __init__(self, link: mqtt.Mqtt, http: aiohttp.ClientSession) -> None:
        self._link, self._http = link, http
        self._bodies: dict[UUID, bytes] = {}
        self.announced: Times = {}
        self.granted: Times = {}
        self.uploaded: Times = {}

    async def announce(self, number: int) -> None:
        # Each image another one, by what follows its end: drawing it anew would take more than all that is measured.
        body = PHOTOGRAPHS[number % len(PHOTOGRAPHS)] + number.to_bytes(4)
        await self.offer(f"d{number % DEVICES}", body)

    async def offer(self, device: str, body: bytes) -> None:
        """Announce an image, which is uploaded once it is granted."""
        said = factories.announcement(body, content_type=header.content_type(body))
        id_ = UUID(said.id)
        self._bodies[id_] = body
        self.announced[id_] = time.time()
        await self._link.publish(topics.topic(lab.PROJECT, device, "capture"), said.dumps())

    async def listen(self) -> None:
        """Upload what is wanted, many at once, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                batch = await self._link.batch(linger=0)
                self._link.acknowledge(batch)
                for message in batch:
                    for grant in messages.Grant.loads(message.payload).captures:
                        if grant.action == "upload":
                            group.create_task(self._upload(grant))

    async def _upload(self, grant: messages.CaptureGrant) -> None:
        id_ = UUID(grant.capture)
        self.granted.setdefault(id_, time.time())
        assert grant.url
        url = yarl.URL(grant.url, encoded=True)
        async with self._http.put(url, data=self._bodies[id_], headers=grant.headers) as answer:
            answer.raise_for_status()
        self.uploaded.setdefault(id_, time.time())


async def run(rate: float, seconds: float) -> tuple[Fleet, dict[str, Times]]:
    """Announce at this rate; returns when each thing happened, once every capture has its task."""
    count = int(rate * seconds)
    grants = [f"strop/{lab.PROJECT}/+/grant"]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as http,
        mqtt.connect(os.environ["MQTT_URL"], "bench-loop", grants) as link,
    ):
        await link.connected.wait()
        fleet = Fleet(link, http)
        listening = asyncio.create_task(fleet.listen())
        began = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            await fleet.announce(number)
        await lab.rows(tables.LabelTask, count)
        listening.cancel()
    return fleet, await written()


async def written() -> dict[str, Times]:
    """When rows were written: their transactions' begin."""
    columns = {
        "row": (tables.Capture.id, tables.Capture.at),
        "route": (tables.Route.capture_id, tables.Route.at),
        "stored": (tables.Upload.capture_id, tables.Upload.stored_at),
        "task": (tables.LabelTask.capture_id, tables.LabelTask.at),
    }
    async with app.runtime(Settings()) as runtime, runtime.sessions() as session:
        return {
            name: {id_: at.timestamp() for id_, at in await session.execute(select(*pair)) if at}
            for name, pair in columns.items()
        }


def hops(fleet: Fleet, rows: dict[str, Times]) -> None:
    """Print each hop's share."""
    steps = [
        ("announced to its row (MQTT, ingest)", fleet.announced, rows["row"]),
        ("row to route (outbox, SQS, router)", rows["row"], rows["route"]),
        ("route to grant (outbox, SQS, ingest, MQTT)", rows["route"], fleet.granted),
        ("grant to upload (the device's PUT)", fleet.granted, fleet.uploaded),
        ("upload to stored (S3 event, SQS, check)", fleet.uploaded, rows["stored"]),
        ("stored to task (outbox, SQS, labeling queue)", rows["stored"], rows["task"]),
        ("announced to task", fleet.announced, rows["task"]),
    ]
    for name, begun, ended in steps:
        took = sorted(ended[id_] - begun[id_] for id_ in fleet.announced)
        print(f"{name:45} p50 {statistics.median(took):6.3f} s, p95 {took[int(len(took) * 0.95)]:6.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50, help="captures a second")
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    with lab.platform(DEVICES) as stack, ExitStack() as running:
        processes = {name: running.enter_context(lab.service(stack, name)).process for name in SERVICES}
        meter = lab.Meter({"devices": psutil.Process(), **processes, **lab.servers(stack)})
        fleet, rows = asyncio.run(run(args.rate, args.seconds))
        print(meter.report(len(fleet.announced)))
        hops(fleet, rows)


if __name__ == "__main__":
    main()
