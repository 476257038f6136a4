"""Two copies of every service at once: the work is shared, and nothing happens twice."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from strop_contracts import tables
from strop_devstack.platform import ports
from tests.soak import load, site

PORTS = {"ingest": "ingest", "router": "router", "labeling_queue": "web"}
"""What the first copies' ports are remembered as."""
MESSAGES = "strop_messages_total"


async def figure(port: int, name: str, **labels: str) -> float:
    """A figure of one process."""
    async with httpx.AsyncClient() as http:
        said = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    samples = [each for family in text_string_to_metric_families(said) for each in family.samples if each.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


@pytest.mark.timeout(900)
async def test_two_copies_share_the_work_and_trigger_and_deploy_once(tmp_path: Path) -> None:
    async with site.running(tmp_path, load.DEVICES) as running, site.second_copies(tmp_path) as second:
        async with load.on(running) as devices:
            await load.settled(running, devices)
        await load.assert_exactly_once(running, devices)

        first = {package: ports.remembered(tmp_path / "site", name) for package, name in PORTS.items()}
        taken = [await figure(chosen["ingest"], "strop_captures_total") for chosen in (first, second)]
        assert sum(taken) == await load.count(running.runtime, tables.Capture)
        assert all(taken) or not running.runtime.settings.mqtt_shared
        routes, tasks = [await load.count(running.runtime, table) for table in (tables.Route, tables.LabelTask)]
        # Of the labeling queue each task is one message, and each label.
        for service, least in (("router", routes), ("labeling-queue", 2 * tasks)):
            package = service.replace("-", "_")
            handled = [
                await figure(chosen[package], MESSAGES, service=service, outcome="handled")
                for chosen in (first, second)
            ]
            assert all(handled), (service, handled)
            assert sum(handled) >= least, (service, handled)
