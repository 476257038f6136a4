"""How long other devices wait for their grants while a hostile one uploads 100 images that are made to cost much.

A third of them has 201 scans, a third is WebP of 49 million pixels, and a third is the costliest image that is accepted: 32 scans of
49 million pixels. The floor is the same fleet without the hostile device, in the same minutes; wanted is a ratio of at most 2.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

import aiohttp
import psutil

from benchmarks import lab, loop
from strop import mqtt
from strop_image import header
from tests import bombs

SERVICES = ("ingest", "router")
HOSTILE = f"d{loop.DEVICES}"
SIZE = (7_000, 7_000)
SETTLE = 2.0
"""Seconds between the hostile device's grants and the first capture that is measured against it."""


def images(count: int) -> list[bytes]:
    kinds = [bombs.scans(201, SIZE), bombs.flat_webp(SIZE), bombs.scans(header.MAX_SCANS, SIZE)]
    return [kinds[number % len(kinds)] + number.to_bytes(4) for number in range(count)]


async def waits(fleet: loop.Fleet, rate: float, seconds: float) -> list[float]:
    """Announce at this rate; returns the seconds from each announcement to its grant, sorted."""
    began, first = time.perf_counter(), len(fleet.announced)
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        await fleet.announce(first + number)
    ours = list(fleet.announced)[first:]
    while not all(id_ in fleet.granted for id_ in ours):
        await asyncio.sleep(0.05)
    return sorted(fleet.granted[id_] - fleet.announced[id_] for id_ in ours)


async def run(rate: float, seconds: float, count: int) -> tuple[list[float], list[float]]:
    grants = [f"strop/{lab.PROJECT}/+/grant"]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as http,
        mqtt.connect(os.environ["MQTT_URL"], "bench-hostile", grants) as link,
    ):
        await link.connected.wait()
        fleet = loop.Fleet(link, http)
        listening = asyncio.create_task(fleet.listen())
        await waits(fleet, rate, seconds / 4)  # to warm up
        quiet = await waits(fleet, rate, seconds)
        for body in images(count):
            await fleet.offer(HOSTILE, body)
        await asyncio.sleep(SETTLE)
        during = await waits(fleet, rate, seconds)
        listening.cancel()
    return quiet, during


def p95(waited: Sequence[float]) -> float:
    return waited[int(len(waited) * 0.95)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20, help="captures of other devices a second")
    parser.add_argument("--seconds", type=float, default=20, help="of each of the two measurements")
    parser.add_argument("--bombs", type=int, default=100)
    args = parser.parse_args()
    with lab.platform(loop.DEVICES + 1) as stack, ExitStack() as running:
        processes = {name: running.enter_context(lab.service(stack, name)).process for name in SERVICES}
        meter = lab.Meter({"devices": psutil.Process(), **processes, **lab.servers(stack)})
        quiet, during = asyncio.run(run(args.rate, args.seconds, args.bombs))
        print(meter.report(len(quiet) + len(during)))
    for name, waited in (("quiet", quiet), (f"{args.bombs} bombs", during)):
        print(
            f"{name:10} grant p50 {statistics.median(waited):6.3f} s, p95 {p95(waited):6.3f} s, most {waited[-1]:6.3f} s"
        )
    print(f"ratio of p95: {p95(during) / p95(quiet):.2f}, wanted at most 2")


if __name__ == "__main__":
    main()
