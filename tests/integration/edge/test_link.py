"""The connection to the broker: TLS, passwords and refusals."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

import pytest
import trustme

from strop_edge import link
from strop_edge.config import Config
from tests import brokers
from tests.integration.edge.cloud import until


class Files(TypedDict, total=False):
    """Settings of the agent that name the files of TLS."""

    ca: Path
    cert: Path
    key: Path


@contextmanager
def linked(
    url: str, project: str = "p", device: str = "d", **changes: Any
) -> Iterator[tuple[link.Link, list[str], list[bytes]]]:
    """A link that listens on `topic`; with the errors and the messages it heard."""
    errors: list[str] = []
    heard: list[bytes] = []
    config = Config(url, project, device, Path("unused"), **changes)
    opened = link.Link(config, config.tls(), {"topic": heard.append}, lambda: None, errors.append)
    opened.start()
    yield opened, errors, heard
    opened.stop()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """What a device trusts, as a file."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.fixture
def device(authority: trustme.CA, tmp_path: Path) -> Files:
    """The files of a device's own certificate."""
    issued = authority.issue_cert("cam-1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "device.pem")
    issued.private_key_pem.write_to_path(tmp_path / "device.key")
    return {"cert": tmp_path / "device.pem", "key": tmp_path / "device.key"}


@pytest.fixture
def tls_url(broker: brokers.Broker, authority: trustme.CA) -> Iterator[str]:
    """The broker behind TLS that wants a certificate of the client."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    port = int(broker.url.rsplit(":", 1)[1])

    def forward(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as inner:
            up = threading.Thread(target=pump, args=(client, inner))
            up.start()
            pump(inner, client)
            up.join()

    with listening(forward, context) as address:
        yield f"mqtts://127.0.0.1:{address}"


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def listening(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port that handles each connection in a thread."""
    threads: list[threading.Thread] = []

    def handle(client: socket.socket) -> None:
        try:
            serve(tls.wrap_socket(client, server_side=True) if tls else client)
        except OSError:
            client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=handle, args=(client,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for thread in (acceptor, *threads):
        thread.join()


def test_messages_pass_through_tls_with_a_device_certificate(tls_url: str, ca: Path, device: Files) -> None:
    with linked(tls_url, ca=ca, **device) as (opened, errors, heard):
        until(lambda: opened.connected)
        until(lambda: opened.publish("topic", b"hello") and heard)

        assert b"hello" in heard
        assert opened.bytes_sent >= 5
    assert errors == []


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the socket to the collector
@pytest.mark.parametrize("lacks", ["ca", "cert"])
def test_without_trust_or_certificate_there_is_no_connection(tls_url: str, ca: Path, device: Files, lacks: str) -> None:
    own: Files = device if lacks == "ca" else {"ca": ca}
    with linked(tls_url, **own) as (opened, errors, _):
        until(lambda: errors)
        assert not opened.publish("topic", b"hello")


def scripted(*answers: bytes) -> Callable[[socket.socket], None]:
    """A broker that says these packets, each after one packet of the client's, and then listens only."""

    def serve(client: socket.socket) -> None:
        with client:
            for answer in answers:
                RECEIVED.append(client.recv(4096))
                client.sendall(answer)
            while client.recv(4096):
                pass

    return serve


RECEIVED: list[bytes] = []
ACCEPTED, NOT_AUTHORISED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
SUBSCRIPTION_REFUSED = b"\x90\x03\x00\x01\x80"


@brokers.each
def test_devices_whose_names_join_to_the_same_are_two_clients(broker: brokers.Broker) -> None:
    with linked(broker.url, "a-b", "c") as (one, _, at_one), linked(broker.url, "a", "b-c") as (other, _, at_other):
        until(lambda: one.connected and other.connected)
        until(lambda: one.publish("topic", b"1") and b"1" in at_one and b"1" in at_other)
        until(lambda: other.publish("topic", b"2") and b"2" in at_one and b"2" in at_other)

        assert one.connected
        assert other.connected


@brokers.each
def test_two_devices_with_one_client_id_reconnect_more_and_more_slowly(
    broker: brokers.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FIRST_WAIT", (0.01, 0.02))
    with linked(broker.url) as (one, _, _heard), linked(broker.url) as (other, _, _also):
        until(lambda: max(each._client._reconnect_min_delay for each in (one, other)) >= 0.01 * 2**4)


@brokers.each
def test_two_devices_with_one_client_id_are_reported(broker: brokers.Broker) -> None:
    with linked(broker.url) as (_, at_one, _heard), linked(broker.url) as (_, at_other, _also):
        until(lambda: any(error.startswith("another client is connected with the client id p:d") for error in at_one))
        until(lambda: any(error.startswith("another client is connected with the client id p:d") for error in at_other))


def test_a_refused_password_is_reported(tmp_path: Path) -> None:
    RECEIVED.clear()
    own = {"username": "cam", "password": "secret"}
    with listening(scripted(NOT_AUTHORISED)) as port, linked(f"mqtt://127.0.0.1:{port}", **own) as (opened, errors, _):
        until(lambda: any("refuses the connection: Not authorized" in error for error in errors))
        assert not opened.connected
    assert b"cam" in RECEIVED[0]
    assert b"secret" in RECEIVED[0]
    assert b"p:d" in RECEIVED[0]


def test_a_refused_subscription_is_reported() -> None:
    answers = scripted(ACCEPTED, SUBSCRIPTION_REFUSED)
    with listening(answers) as port, linked(f"mqtt://127.0.0.1:{port}") as (_, errors, _heard):
        until(lambda: any("refuses the subscription to topic" in error for error in errors))


def test_a_line_that_takes_nothing_is_not_filled_without_end() -> None:
    with listening(scripted(ACCEPTED)) as port, linked(f"mqtt://127.0.0.1:{port}") as (opened, _, _heard):
        until(lambda: opened.connected)

        taken = sum(opened.publish("up", b"x") is not None for _ in range(2 * link.MAX_ON_ITS_WAY))

        assert taken == link.MAX_ON_ITS_WAY
        opened.stop(patience=0)


@brokers.each
def test_a_handler_that_fails_does_not_end_the_connection(broker: brokers.Broker) -> None:
    heard: list[bytes] = []

    def handle(payload: bytes) -> None:
        heard.append(payload)
        if payload == b"bad":
            raise RuntimeError("no good")

    errors: list[str] = []
    config = Config(broker.url, "p", "d", Path("unused"))
    opened = link.Link(config, config.tls(), {"topic": handle}, lambda: None, errors.append)
    opened.start()
    until(lambda: opened.publish("topic", b"bad"))
    until(lambda: b"bad" in heard)
    opened.publish("topic", b"good")
    until(lambda: b"good" in heard)
    opened.stop()

    assert errors == ["message on topic: no good"]
