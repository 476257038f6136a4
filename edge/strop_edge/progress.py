"""Lines of the log: what an agent has done, and why it has no model yet."""

from dataclasses import dataclass

from strop_edge import swap
from strop_wire import reports


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts since the start of an agent; bytes are payloads."""

    model: str | None  # that runs now
    classified: int
    kept: int
    uploads: int
    http_bytes: int
    mqtt_bytes: int
    swaps: tuple[swap.Swap, ...]
    lost: dict[str, int]  # images without a result and dropped captures, by reason

    def __str__(self) -> str:
        images = "image" if self.classified == 1 else "images"
        return (
            f"{self.classified} {images} classified, {self.kept} kept, {self.uploads} uploaded, "
            f"{(self.http_bytes + self.mqtt_bytes) / 1e6:.1f} MB sent, {sum(self.lost.values())} dropped; "
            + (f"model {self.model}" if self.model else "no model yet")
        )


def no_model(project: str, device: str, expected: str | None, answer: reports.Outcome | None) -> str:
    """Why there is no first model: `expected` is the one that is being fetched, `answer` is the outcome of the last."""
    if expected:
        return f"no model yet: {expected} is being fetched"
    if answer:
        return f"no model yet: the one that came does not work ({answer.reason})"
    return (
        "no model yet: the rollout has not reached this device, or the device is not enrolled "
        f"(strop devices add {project} {device})"
    )
