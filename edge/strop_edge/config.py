"""The settings of an agent."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from strop_wire import topics


class BadConfig(ValueError):
    """The agent cannot run with these settings."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker is: `mqtt://host:1883`, or `mqtts://host:8883` over TLS."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Broker":
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or parts.path.strip("/"):
            raise BadConfig(f"broker {url!r}: expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        try:
            port = parts.port
        except ValueError as error:
            raise BadConfig(f"broker {url!r}: {error}") from error
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, port or (8883 if tls else 1883), tls)


@dataclass(frozen=True, slots=True)
class Config:
    """Times are seconds, sizes bytes."""

    broker: str
    project: str
    device: str
    state: Path  # the folder of spool and models; one agent at a time
    interval: float = 0.0  # between two images
    spool_bytes: int = 1_000_000_000
    alias: str | None = None  # also serve /request/classify/ALIAS
    ca: Path | None = None  # certificates to trust besides the system's
    cert: Path | None = None  # of this device
    key: Path | None = None
    model_keys: Path | None = None  # public keys of the models to accept; without, any model is accepted
    username: str | None = None
    password: str | None = None
    threads: int = 1  # of onnxruntime for one image
    state_every: float = 30.0
    answer_after: float = 30.0  # how long to wait for the answer to a capture before announcing it again

    def __post_init__(self) -> None:
        Broker.parse(self.broker)
        for what, name in (("project", self.project), ("device", self.device)):
            if not topics.valid_name(name):
                raise BadConfig(f"{what} {name!r}: expected letters, digits, - and _, at most 63, no leading - or _")
        if self.alias is not None and not topics.valid_name(self.alias):
            raise BadConfig(f"alias {self.alias!r}: expected letters, digits, - and _")
        if self.interval < 0 or self.spool_bytes < 1 or self.threads < 1:
            raise BadConfig("the interval must not be negative, the spool's size and the threads must be positive")
        if (self.cert is None) != (self.key is None):
            raise BadConfig("a certificate needs its key, and a key its certificate")

    def tls(self) -> ssl.SSLContext:
        """Return the TLS context: trusted authorities, for MQTT and uploads, and the client certificate."""
        context = ssl.create_default_context()
        files = f"certificates {self.ca}"
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
            files = f"certificate {self.cert} with key {self.key}"
            if self.cert and self.key:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise BadConfig(f"{files} cannot be read ({error}): copy them to this device again") from error
        return context
