"""The simulated fleet: many real agents in one process, each with its own MQTT client id, spool and camera.

Run as `python -m strop_devstack.demo.fleet SPEC.json`. It prints one JSON line of figures a second; a line on standard input
ends it, and the last line it prints holds every device's journal.
"""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from strop_edge import journal
from strop_edge.agent import Agent
from strop_edge.config import Config

LATER = 0.2
"""Share of a device's images that it sees only slowly, one every PACE seconds, so that it works while models change."""
PACE = 2.0


@dataclass(frozen=True)
class Spec:
    """What the demo asks of the fleet."""

    broker: str
    project: str
    state: str
    model_keys: str
    devices: dict[str, list[str]]  # device -> the files its camera will see

    @classmethod
    def load(cls, path: Path) -> "Spec":
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Figures:
    """Sums over the fleet: one JSON line of the output."""

    classified: int = 0  # images
    bytes_sent: int = 0
    finished: bool = False  # all cameras have shown all images
    journals: dict[str, dict[str, str]] | None = None  # last fate by capture, by device; once all agents have stopped

    @classmethod
    def loads(cls, line: bytes) -> "Figures":
        return cls(**json.loads(line))

    def print(self) -> None:
        print(json.dumps(asdict(self)), flush=True)


def share_out(files: list[Path], devices: int) -> dict[str, list[str]]:
    """Deal the images to devices `line-01` … like cards, so that each sees every label."""
    return {f"line-{n + 1:02d}": [str(path) for path in files[n::devices]] for n in range(devices)}


def camera(files: list[str], stop: threading.Event) -> Iterator[bytes]:
    """The images of one device: most at once, the rest at leisure."""
    quick = round(len(files) * (1 - LATER))
    for number, file in enumerate(files):
        if stop.wait(PACE if number >= quick else 0):
            return
        yield Path(file).read_bytes()


def run(spec: Spec) -> None:
    """Start all, report until a line comes in, stop all, print the journals."""
    stop = threading.Event()
    threading.Thread(target=_await_line, args=(stop,), daemon=True).start()
    folders = {device: Path(spec.state) / device for device in spec.devices}
    agents = [_agent(spec, device, folder, stop) for device, folder in folders.items()]
    for agent in agents:
        agent.start()
    while not stop.wait(0.5):
        figures(agents).print()
    for agent in agents:
        agent.stop()
    for agent in agents:
        agent.join()
    journals = {device: journal.fates(folder) for device, folder in folders.items()}
    replace(figures(agents), journals=journals).print()


def _await_line(stop: threading.Event) -> None:
    """A line, or the end of the demo's process, ends the fleet."""
    sys.stdin.readline()
    stop.set()


def _agent(spec: Spec, device: str, folder: Path, stop: threading.Event) -> Agent:
    config = Config(
        spec.broker, spec.project, device, folder, state_every=2, answer_after=5, model_keys=Path(spec.model_keys)
    )
    return Agent(config, camera(spec.devices[device], stop))


def figures(agents: list[Agent]) -> Figures:
    counters = [agent.counters() for agent in agents]
    return Figures(
        sum(each.classified for each in counters),
        sum(each.http_bytes + each.mqtt_bytes for each in counters),
        all(agent.exhausted.is_set() for agent in agents),
    )


if __name__ == "__main__":
    run(Spec.load(Path(sys.argv[1])))
