"""What the agent costs per image: images a second of the real agent beside bare onnxruntime on the same files, one thread.

Bare: decode, prepare, backbone, head in a loop. The agent adds choosing, counting, the spool and MQTT (here a broker
that answers nothing). The model keeps most images confident, so few are spooled, as on a real device.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from retrain import item, train

from strop_cli import render
from strop_cli.platform.stack import Stack
from strop_edge import image, model, store
from strop_edge.agent import Agent
from strop_edge.config import Config
from strop_wire import messages

IMAGES = 600


def bare(package: Path, files: list[bytes]) -> float:
    """Images a second of the floor."""
    loaded = model.Model(package, threads=1)
    began = time.perf_counter()
    for data in files:
        loaded.predict(image.load(data)[None])
    return len(files) / (time.perf_counter() - began)


def install(package: Path, state: Path) -> None:
    """Put the model where the agent finds it at its start, as if it had been delivered."""
    files = json.loads((package / "model.json").read_text())["files"]
    manifest = (package / "model.json").read_bytes()
    wanted = {name: messages.ModelFile(each["sha256"], each["size"]) for name, each in files.items()}
    wanted["model.json"] = messages.ModelFile(image.sha256(manifest), len(manifest))
    desired = messages.Desired("bench", "v1", wanted, messages.Policy())
    models = store.Store(state / "models")
    for name, file in wanted.items():
        shutil.copy(package / name, models.partial(file))
        models.keep(file)
    models.assemble(desired)
    models.switch(store.Running(desired))


def agent(broker: str, state: Path, files: list[bytes]) -> float:
    """Images a second of the agent, from the first image to the end of the source."""
    began = 0.0

    def source() -> Iterator[bytes]:
        nonlocal began
        began = time.perf_counter()
        yield from files

    running = Agent(Config(broker, "bench", "device", state), source())
    running.start()
    running.exhausted.wait()
    rate = len(files) / (time.perf_counter() - began)
    running.stop()
    running.join()
    return rate


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        work = Path(folder)
        (work / "images").mkdir()
        base = [item(work / "images", label, seed, "base") for label in render.LABELS for seed in range(25)]
        train(work, "v1", base, None)
        files = [Path(each["path"]).read_bytes() for each in base] * (IMAGES // len(base) + 1)
        install(work / "v1", work / "device")
        floor = bare(work / "v1", files[:IMAGES])
        rate = agent(stack.env()["MQTT_URL"], work / "device", files[:IMAGES])
    print(f"bare onnxruntime, one thread {floor:7.1f} images/s")
    print(f"agent                        {rate:7.1f} images/s   ratio {rate / floor:.2f}")
    print(f"peak memory of this process  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MB")


if __name__ == "__main__":
    main()
