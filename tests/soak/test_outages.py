"""A server dies under load and comes back: nothing is lost, nothing doubled, and the loop goes on by itself."""

import asyncio
import signal
from pathlib import Path

import pytest

from strop_contracts import tables
from tests.soak import load, site


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("server", "how", "seconds"),
    [
        pytest.param("postgres", signal.SIGQUIT, 10, id="postgres-crashes"),  # and recovers from its log
        pytest.param("mqtt", signal.SIGKILL, 10, id="broker-is-killed"),
        pytest.param("aws", signal.SIGKILL, 60, id="s3-and-sqs-away-for-a-minute"),
    ],
)
async def test_nothing_is_lost_or_doubled_over_an_outage(
    tmp_path: Path, server: str, how: signal.Signals, seconds: float
) -> None:
    async with site.running(tmp_path, load.DEVICES) as running:
        async with load.on(running) as devices:
            await asyncio.sleep(load.EACH * load.PACE / 3)
            assert await load.count(running.runtime, tables.Capture)
            async with running.without(server, how):
                await asyncio.sleep(seconds)
            await load.settled(running, devices)
        await load.assert_exactly_once(running, devices)
