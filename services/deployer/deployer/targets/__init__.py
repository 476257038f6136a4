"""Where orders for devices go: a module per target, chosen by name with `STROP_DEPLOYER_TARGET`.

A new target is a module with a class that follows `base.Target`, and a line in TARGETS.
"""

from collections.abc import Callable, Mapping

from deployer.targets import base, mqtt, recording
from strop import app

TARGETS: Mapping[str, Callable[[app.Runtime], base.Target]] = {
    "mqtt": mqtt.MqttTarget.build,
    "recording": lambda _: recording.RecordingTarget(),
}


def build(name: str, runtime: app.Runtime) -> base.Target:
    """Make the target of this name; ValueError lists the names there are."""
    if name not in TARGETS:
        raise ValueError(f"STROP_DEPLOYER_TARGET: expected one of {', '.join(TARGETS)}, got {name!r}")
    return TARGETS[name](runtime)
