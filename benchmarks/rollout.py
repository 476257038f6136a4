"""How fast a fleet gets its orders, beside a floor of bare publishes, and how often the checks stop a good model.

Floor: the same MQTT client publishes as many retained messages of the same size, without a database. The deployer leases each
device, publishes, and confirms in PostgreSQL. Broker, database and publisher share the cores.

`--simulate N` draws N rollouts of each kind of model on fleets of 200 with 10 devices in the first stage and ten looks.
"""

import argparse
import asyncio
import time
from collections import Counter

from sqlalchemy import func, select

from benchmarks import lab
from deployer import publishing, rollouts
from deployer import settings as deployer_settings
from deployer.behaviour import checks
from deployer.targets import mqtt as mqtt_target
from strop import app, mqtt
from strop.settings import Settings
from strop_contracts import tables
from strop_wire import ids, messages, topics
from tests import factories
from tests.unit.deployer import drawn

DEVICES = 10_000
MODELS = {
    "the same": drawn.OLD,
    "good": drawn.GOOD,
    "always one label": drawn.Model(always="can"),
    "overconfident": drawn.OVERCONFIDENT,
    "10 times slower": drawn.Model(milliseconds=400),
    "5 % of images fail": drawn.Model(failed=0.05),
}


async def measure(devices: int) -> None:
    async with (
        app.runtime(Settings()) as runtime,
        mqtt.connect(runtime.settings.mqtt_url, f"bench-{ids.new_id()}") as client,
    ):
        await client.connected.wait()
        floor = await _bare(client, devices)
        took = await _rollout(runtime, client, devices)
    print(f"bare publishes: {devices} in {floor:.1f} s, {devices / floor:.0f} a second")
    print(
        f"orders of the deployer: {devices} in {took:.1f} s, {devices / took:.0f} a second; {took / floor:.1f} times the floor"
    )


async def _bare(client: mqtt.Mqtt, devices: int) -> float:
    files = {name: messages.ModelFile("0" * 64, 1000) for name in ("model.json", "head.onnx", "backbone.onnx")}
    payload = messages.Desired(ids.new_id(), "v1", files, messages.Policy()).dumps()
    began = time.perf_counter()
    published = (
        client.publish(topics.topic("floor", f"d{n}", "desired"), payload, retain=True) for n in range(devices)
    )
    await asyncio.gather(*published)
    return time.perf_counter() - began


async def _rollout(runtime: app.Runtime, client: mqtt.Mqtt, devices: int) -> float:
    """Return the seconds from the first tick until every device's order was accepted."""
    own = deployer_settings.Settings(stages=[1.0])
    async with runtime.sessions.begin() as session:
        await factories.make_model(session, 1, lab.PROJECT)
        await rollouts.start(session, lab.PROJECT, 1, own)
    publish = publishing.Publishing(runtime.sessions, mqtt_target.MqttTarget(client), own)
    began = time.perf_counter()
    while await _sent(runtime) < devices:
        await publish.tick()
    return time.perf_counter() - began


async def _sent(runtime: app.Runtime) -> int:
    rows = select(func.count()).where(tables.DeploymentDevice.state == "sent")
    async with runtime.sessions() as session:
        return (await session.execute(rows)).scalar_one()


def simulate(repeats: int) -> None:
    evaluated = checks.Evaluated(images=100, new_right=92, old_right=90)
    for name, model in MODELS.items():
        ends = [
            drawn.stopped(drawn.rollout(drawn.Fleet(200, seed), model, 10, 10, evaluated=evaluated))
            for seed in range(repeats)
        ]
        looks = sorted(each[0] for each in ends if each)
        by = Counter(check for each in ends if each for check in each[1])
        median = f", at look {looks[len(looks) // 2]} (median) of 10" if looks else ""
        print(f"{name}: stopped {len(looks)} of {repeats}{median} {dict(by) or ''}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--simulate", type=int, metavar="N", help="simulate only")
    parser.add_argument("--embedded", action="store_true", help="the broker of the wheel instead of Mosquitto")
    options = parser.parse_args()
    if options.simulate:
        simulate(options.simulate)
        return
    with lab.platform(options.devices, wheel_broker=options.embedded):
        asyncio.run(measure(options.devices))


if __name__ == "__main__":
    main()
