"""Generate the machine-readable description of the wire from the messages.

`python -m strop_cli.asyncapi` (`make docs`) writes `docs/asyncapi.yaml` and the tables of fields in `docs/wire.md`; a
test fails if they are out of date.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from strop_cli import wire_tables
from strop_wire import MAX_PAYLOAD, VERSION, messages, reports, schema, topics

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic and the device's action on it."""

    name: str
    action: str  # of the device: "send" or "receive"
    address: str
    message: type | None  # None: any payload
    summary: str
    retained: bool = False


def _channel(kind: str, action: str, message: type, *, retained: bool = False) -> Channel:
    summary = (message.__doc__ or "").strip()
    return Channel(kind, action, topics.topic("{project}", "{device}", kind), message, summary, retained)


CHANNELS = (
    _channel("capture", "send", messages.Capture),
    _channel("grant", "receive", messages.Grant),
    _channel("state", "send", reports.State),
    _channel("desired", "receive", messages.Desired, retained=True),
    _channel("fetch", "send", messages.Fetch),
    Channel(
        "classify",
        "receive",
        topics.classify_request("{project}", "{device}"),
        None,
        "Down: classify the latest image again, now. Any payload; the `id` of a JSON object is echoed in the response.",
    ),
    Channel(
        "prediction",
        "send",
        topics.classify_response("{project}", "{device}"),
        messages.Answer,
        (messages.Answer.__doc__ or "").strip(),
    ),
)

INFO = f"""\
Messages between a device and Strop over MQTT, from the device's side: it sends on topics that go up and receives on topics that
go down. QoS 1 everywhere, JSON of at most {MAX_PAYLOAD:,} bytes; unknown fields are ignored. docs/wire.md describes the sequence,
including the HTTP requests in between.
"""

NAME = {"pattern": f"^{topics.NAME.pattern}$", "description": "Letters, digits, `_` and `-`; at most 63."}


def document() -> dict[str, Any]:
    """The AsyncAPI document, ready for YAML."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Strop, between device and cloud",
            "version": f"{VERSION}.0.0",
            "description": INFO,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {each.name: _describe(each) for each in CHANNELS},
        "operations": {f"{each.action}-{each.name}": _operation(each) for each in CHANNELS},
        "components": {
            "messages": {each.name: _message(each) for each in CHANNELS},
            "schemas": _schemas(),
            "parameters": {
                "project": {"description": f"The project's name. {NAME['description']}"},
                "device": {"description": f"The device's name within its project. {NAME['description']}"},
            },
            "securitySchemes": {
                "certificate": {
                    "type": "X509",
                    "description": "The common name of the client's certificate is PROJECT/DEVICE.",
                }
            },
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "broker.example:8883",
        "protocol": "secure-mqtt",
        "protocolVersion": "3.1.1",
        "description": "Mosquitto, or AWS IoT Core. A test broker on one machine may accept any client, without TLS.",
        "security": [{"$ref": "#/components/securitySchemes/certificate"}],
        "bindings": {"mqtt": {"cleanSession": False, "keepAlive": 30}},
    }


def _describe(channel: Channel) -> dict[str, Any]:
    return {
        "address": channel.address,
        "description": channel.summary,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in ("project", "device")},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retained}},
    }


def _message(channel: Channel) -> dict[str, Any]:
    payload = {"$ref": SCHEMAS + channel.message.__name__} if channel.message else {"description": "Anything."}
    return {"name": channel.name, "summary": channel.summary, "payload": payload}


def _schemas() -> dict[str, schema.Schema]:
    return {name: schema.of(kind, SCHEMAS) for name, kind in classes().items()}


def classes() -> dict[str, type]:
    """Return every class of the wire by name: the messages and their parts."""
    return {part.__name__: part for each in CHANNELS if each.message for part in schema.parts(each.message)}


def dump(made: dict[str, Any]) -> str:
    head = "# Made by `make docs` from shared/strop_wire/: change that, not this.\n"
    return head + yaml.dump(made, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Every value in full: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the name is PyYAML's
        return True


def main() -> None:
    (DOCS / "asyncapi.yaml").write_text(dump(document()))
    page = DOCS / "wire.md"
    page.write_text(wire_tables.anew(page.read_text(), classes()))


if __name__ == "__main__":
    main()
