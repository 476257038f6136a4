"""The command `strop-edge`."""

import argparse
import json
import logging
import os
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from strop_edge import __version__, heartbeat, journal, source
from strop_edge.config import BadConfig, Config

BROKER = "mqtts://HOST[:8883] with TLS or mqtt://HOST[:1883] without, for example mqtts://broker.example:8883"

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except BadConfig as error:
        print(f"strop-edge: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strop-edge", description="Classifies images on a device, for Strop.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="classify the images of a folder and work with the cloud"))
    status = commands.add_parser("status", help="show the model and the spool of a state folder")
    status.add_argument("--state", type=Path, required=True, metavar="DIR", help="the agent's state folder")
    status.set_defaults(command=_status)
    health = commands.add_parser("health", help="end with 0 when the agent of a state folder works, else with 1")
    health.add_argument("--state", type=Path, required=True, metavar="DIR", help="the agent's state folder")
    health.set_defaults(command=_health)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.set_defaults(command=_run)
    need = run.add_argument_group("what every device needs")
    need.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder with JPEG, PNG or WebP images")
    need.add_argument("--broker", required=True, metavar="URL", help=BROKER)
    need.add_argument("--project", required=True, metavar="NAME")
    need.add_argument("--device", required=True, metavar="NAME", help="this device's own name in the project")
    need.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder for models and kept images")
    more = run.add_argument_group("more")
    more.add_argument("--watch", action="store_true", help="wait for new images instead of taking those that are there")
    more.add_argument("--interval", type=float, default=0.0, metavar="S", help="seconds between two images (0)")
    more.add_argument("--spool-bytes", type=int, default=10**9, metavar="N", help="most that kept images use (1 GB)")
    more.add_argument("--alias", metavar="NAME", help="also answer on /request/classify/NAME")
    more.add_argument("--threads", type=int, default=1, metavar="N", help="processor threads per image (1)")
    more.add_argument("--log", choices=("text", "json"), default="text", help="form of the log on stderr (text)")
    signed = "model-keys.json of the installation: models that none of its keys signed are refused"
    more.add_argument("--model-keys", type=Path, metavar="FILE", help=signed)
    access = run.add_argument_group("access to the broker")
    access.add_argument("--ca", type=Path, metavar="FILE", help="certificates to trust besides the system's")
    access.add_argument("--cert", type=Path, metavar="FILE", help="this device's certificate")
    access.add_argument("--key", type=Path, metavar="FILE", help="and its key")
    access.add_argument("--username", metavar="NAME")
    access.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password in its first line")


def _run(arguments: argparse.Namespace) -> int:
    from strop_edge import agent  # brings onnxruntime, which help and mistakes need not wait for

    _log_to_stderr(arguments.log)
    if not os.path.isdir(arguments.source):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise BadConfig(f"source {arguments.source}: no such folder")
    images = source.watch(arguments.source) if arguments.watch else source.folder(arguments.source)
    device = agent.Agent(_config(arguments), images)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: device.stop())
    device.start()
    while not device.join(timeout=0.5):
        if device.exhausted.is_set() and device.spooled == 0:
            device.stop()
    log.info("%s", device.counters())
    return 0 if device.stopping else 1


def _config(arguments: argparse.Namespace) -> Config:
    own = ("source", "watch", "log", "command", "password_file")
    password = _first_line(arguments.password_file) if arguments.password_file else None
    return Config(**{name: value for name, value in vars(arguments).items() if name not in own}, password=password)


def _first_line(path: Path) -> str:
    try:
        line = path.read_text().split("\n", 1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"password file: {error}") from error
    if not line:
        raise BadConfig(f"password file {path} is empty: write the password of this device into it again")
    return line


def _status(arguments: argparse.Namespace) -> int:
    from strop_edge import store  # as in _run

    try:
        fates, drops = journal.fates(arguments.state), journal.drops(arguments.state)
    except sqlite3.Error as error:
        raise BadConfig(f"{arguments.state} is not the state folder of an agent ({error})") from error
    current = store.running(arguments.state / "models").current
    print(f"model    {current.model} (policy {current.policy.version})" if current else "model    none yet")
    print(f"captures {len(fates)}")
    for fate, count in Counter(fates.values()).most_common():
        print(f"  {fate:<30} {count}")
    print("drops    " + (", ".join(f"{reason} {count}" for reason, count in drops.items()) or "none"))
    return 0


def _health(arguments: argparse.Namespace) -> int:
    age = heartbeat.age(arguments.state)
    print("it never ran" if age is None else f"it last worked {age:.0f} s ago")
    return 0 if age is not None and abs(age) < heartbeat.STALE else 1


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": record.created, "level": record.levelname, "event": record.getMessage(), "logger": record.name}
        return json.dumps({**line, **({"error": self.formatException(record.exc_info)} if record.exc_info else {})})


def _log_to_stderr(form: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
