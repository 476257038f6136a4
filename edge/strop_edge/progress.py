"""What an agent did, and why it does nothing yet: for people who read its log."""

from dataclasses import dataclass

from strop_edge import swap
from strop_wire import reports


@dataclass(frozen=True, slots=True)
class Counters:
    """What an agent did since it was made; bytes are payloads."""

    model: str | None  # that runs now
    classified: int
    kept: int
    uploads: int
    http_bytes: int
    mqtt_bytes: int
    swaps: tuple[swap.Swap, ...]
    lost: dict[str, int]  # images that came to nothing and dropped captures, by reason

    def __str__(self) -> str:
        images = "image" if self.classified == 1 else "images"
        return (
            f"{self.classified} {images} classified, {self.kept} kept, {self.uploads} uploaded, "
            f"{(self.http_bytes + self.mqtt_bytes) / 1e6:.1f} MB sent, {sum(self.lost.values())} dropped; "
            + (f"model {self.model}" if self.model else "no model yet")
        )


def no_model(project: str, device: str, expected: str | None, answer: reports.Outcome | None) -> str:
    """Why there is no first model: `expected` is the one that is being fetched, `answer` what became of the last."""
    if expected:
        return f"no model yet: {expected} is being fetched"
    if answer:
        return f"no model yet: the one that came does not work ({answer.reason})"
    return (
        "no model yet: the rollout has not reached this device, or the device is not enrolled "
        f"(strop devices add {project} {device})"
    )
