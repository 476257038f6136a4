"""What the agent costs: images a second, memory and start of the real agent beside bare onnxruntime on the same files.

Bare: decode, prepare, backbone, head in a loop, one thread. The agent adds choosing, counting, the spool and MQTT (here a
broker that answers nothing). The model keeps most images confident, so few are spooled, as on a real device. Each runs in a
process of its own; the start is from the process's begin, Python's own included, to the first image's answer.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from strop_devstack import render
from strop_devstack.platform.stack import Stack
from strop_edge import image, model, store
from strop_wire import messages

IMAGES = 600


@dataclass
class Cost:
    """Of one process."""

    rate: float  # images a second
    memory: float  # peak, MB
    start: float  # seconds until the first answer


def bare(package: Path, files: list[Path], began: float, out: Connection) -> None:
    """The floor. For a process of its own, as `agent` is."""
    loaded = model.Model(package, threads=1)
    loaded.predict(image.load(files[0].read_bytes())[None])
    start, first = time.time() - began, time.perf_counter()
    for file in files:
        loaded.predict(image.load(file.read_bytes())[None])
    out.send(Cost(len(files) / (time.perf_counter() - first), peak(), start))


def peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(function: Callable[..., None], *args: object) -> Cost:
    """Run in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=function, args=(*args, time.time(), theirs))
    process.start()
    theirs.close()  # so that a crash of the process is detected
    cost: Cost = mine.recv()
    process.join()
    return cost


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


def agent(broker: str, state: Path, files: list[Path], began: float, out: Connection) -> None:
    """From the first image to the end of the source."""
    from strop_edge.agent import Agent  # the floor does without
    from strop_edge.config import Config

    first = start = 0.0

    def source() -> Iterator[bytes]:
        nonlocal first, start
        yield files[0].read_bytes()
        start, first = time.time() - began, time.perf_counter()  # asked for the next: the first has its answer
        yield from (file.read_bytes() for file in files)

    running = Agent(Config(broker, "bench", "device", state), source())
    running.start()
    running.exhausted.wait()
    rate = len(files) / (time.perf_counter() - first)
    running.stop()
    running.join()
    out.send(Cost(rate, peak(), start))


def main() -> None:
    from benchmarks.retrain import item, train  # not in the processes that are measured: it loads scikit-learn

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        work = Path(folder)
        (work / "images").mkdir()
        base = [item(work / "images", label, seed, "base") for label in render.LABELS for seed in range(25)]
        train(work, "v1", base, None)
        files = [Path(each["path"]) for each in base] * (IMAGES // len(base) + 1)
        install(work / "v1", work / "device")
        floor = measured(bare, work / "v1", files[:IMAGES])
        ours = measured(agent, stack.env()["MQTT_URL"], work / "device", files[:IMAGES])
    print(f"images/s: bare onnxruntime {floor.rate:.1f}, agent {ours.rate:.1f}, ratio {ours.rate / floor.rate:.2f}")
    print(f"peak MB: bare {floor.memory:.0f}, agent {ours.memory:.0f}, ratio {ours.memory / floor.memory:.2f}")
    print(f"start to first answer: bare {floor.start:.2f} s, agent {ours.start:.2f} s")


if __name__ == "__main__":
    main()
