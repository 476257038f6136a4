"""The MQTT broker: Mosquitto where it is installed, else rumqttd from the `iotcore` wheel.

Mosquitto keeps its sessions and queues over a restart (all but the last seconds when it is killed) and splits work between
subscribers. rumqttd keeps them in memory only, and its router can crash when a shared subscriber leaves: there, a service
is one plain subscriber.
"""

import os
import shutil
import socket
import sys
from pathlib import Path

from strop_devstack.platform.server import Plan

# The places that are often not on the path of an ordinary user.
_SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

# MQTT 3.1.1 CONNECT, clean session, 10 s keep alive, client id "strop-probe"; and the CONNACK that accepts it.
_CONNECT = b"\x10\x17\x00\x04MQTT\x04\x02\x00\x0a\x00\x0bstrop-probe"
_CONNACK = b"\x20\x02\x00\x00"

# Saved every ten seconds and at a clean stop. What a kill loses of that, devices and services publish again:
# docs/decisions/0010. Saving after every change would write the whole file for each, and limit all traffic.
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 10
max_queued_messages 100000
max_queued_bytes 268435456
max_inflight_messages 1000
connection_messages false
log_dest stderr
log_type error
log_type warning
"""

# rumqttd's own limit of a payload is 20 KB. Each subscription keeps up to 8 segments of 16 MB in memory.
_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 8
[v4.1]
name = "mqtt"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1000
dynamic_filters = true
"""


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_SBIN))


def plan(state: Path, port: int, mosquitto: str | None) -> Plan:
    """Write the broker's configuration. `mosquitto` is its program, or None for the wheel's broker."""
    folder = state / "mqtt"
    folder.mkdir(exist_ok=True)
    argv = _mosquitto(mosquitto, folder, port) if mosquitto else _rumqttd(folder, port)
    return Plan("mqtt", argv, lambda: accepts_clients(port))


def accepts_clients(port: int) -> bool:
    """Connect as a client would: a broker whose router has crashed still has an open port, but sends no CONNACK."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(_CONNECT)
            return connection.recv(len(_CONNACK), socket.MSG_WAITALL) == _CONNACK
    except OSError:
        return False


def _mosquitto(program: str, folder: Path, port: int) -> list[str]:
    config = folder / "mosquitto.conf"
    # Started by root, it would become the user `mosquitto`, who may not be able to enter our folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    config.write_text(_MOSQUITTO.format(port=port, folder=folder) + user)
    return [program, "-c", str(config)]


def _rumqttd(folder: Path, port: int) -> list[str]:
    config = folder / "rumqttd.toml"
    config.write_text(_RUMQTTD.format(port=port))
    # -P: a folder named iotcore where we happen to be must not be imported. At any lower level it logs every packet.
    return [sys.executable, "-P", "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"]
