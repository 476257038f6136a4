"""A thousand devices that come back at the same moment: does ingest shed load rather than fall over, and when is it done?

Devices speak the protocol only (raw sockets, no inference). Each had captures in its spool while ingest was down: all
connect at once, announce everything they hold, and the broker takes it at its own speed. Ingest sheds load by taking no
more than the broker's window at a time and acknowledging after the commit: the rest waits at the broker. Prints the time
until every capture is committed, answered and out of the outbox (the lag is zero), and whether ingest answered meanwhile.
"""

import argparse
import asyncio
import os
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from sqlalchemy import func, select

from benchmarks import lab
from strop import app
from strop.settings import Settings
from strop_contracts import tables
from strop_devstack.platform.stack import Stack
from strop_wire import topics


class Device:
    """One connection, and what waits in its spool."""

    def __init__(self, name: str, spool: list[bytes]) -> None:
        self.name, self._spool = name, spool
        self.connected_after = self.told_after = 0.0

    async def come_back(self, began: float) -> None:
        """Connect (again, while the broker is too busy), announce everything, and wait for the broker's word for each."""
        reader, writer = await self._connect()
        self.connected_after = time.perf_counter() - began
        topic = topics.topic(lab.PROJECT, self.name, "capture")
        writer.writelines(lab.publish_packet(topic, payload, number) for number, payload in enumerate(self._spool))
        await writer.drain()
        await reader.readexactly(4 * len(self._spool))
        self.told_after = time.perf_counter() - began
        writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(os.environ["MQTT_URL"])
        while True:
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                writer.write(lab.connect_packet(self.name))
                assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return reader, writer


async def left(runtime: app.Runtime, count: int) -> tuple[int, int, int]:
    """How many captures are not committed, not answered, and how many events wait in the outbox."""
    async with runtime.sessions() as session:
        counts = [
            await session.scalar(select(func.count()).select_from(table)) or 0
            for table in (tables.Capture, tables.Upload, tables.Outbox)
        ]
    return count - counts[0], count - counts[1], counts[2]


async def storm(devices: int, spool: int, services: dict[str, lab.Service]) -> None:
    """All come back at once; prints when each thing was done."""
    load = lab.captures()
    fleet = [Device(f"d{number}", [next(load) for _ in range(spool)]) for number in range(devices)]
    began = time.perf_counter()
    coming = asyncio.gather(*(device.come_back(began) for device in fleet))
    done: dict[str, float] = {}
    answers = []
    async with app.runtime(Settings()) as runtime:
        while len(done) < 3:
            for name, number in zip(
                ("committed", "answered", "sent on"), await left(runtime, devices * spool), strict=True
            ):
                if number == 0 and (name != "sent on" or len(done) == 2):
                    done.setdefault(name, time.perf_counter() - began)
            asked = time.perf_counter()
            await asyncio.to_thread(services["ingest"].metric, "strop_captures_total")
            answers.append(time.perf_counter() - asked)
            await asyncio.sleep(0.2)
    await coming
    print(f"connected: all {devices} after {max(device.connected_after for device in fleet):.1f} s")
    print(f"received by the broker: all after {max(device.told_after for device in fleet):.1f} s")
    for name, seconds in done.items():
        print(f"{name}: all {devices * spool} captures after {seconds:.1f} s")
    print(f"ingest's HTTP port answered within {max(answers):.2f} s all the time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--spool", type=int, default=5, help="captures that wait in each device's spool")
    args = parser.parse_args()
    with lab.platform(args.devices) as stack, ExitStack() as running:
        measure(stack, running, args.devices, args.spool)


def measure(stack: Stack, running: ExitStack, devices: int, spool: int) -> None:
    services = {name: running.enter_context(lab.service(stack, name)) for name in ("ingest", "router")}
    meter = lab.Meter({**{name: each.process for name, each in services.items()}, **lab.servers(stack)})
    asyncio.run(storm(devices, spool, services))
    print(meter.report(devices * spool))
    assert all(each.process.is_running() for each in services.values())


if __name__ == "__main__":
    main()
