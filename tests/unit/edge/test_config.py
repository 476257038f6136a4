from pathlib import Path
from typing import Any

import pytest
import trustme

from strop_edge.config import BadConfig, Broker, Config


def config(**changes: Any) -> Config:
    return Config(**{"broker": "mqtt://b", "project": "p", "device": "d", "state": Path("s"), **changes})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", Broker("broker", 1883, tls=False)),
        ("mqtt://127.0.0.1:2000/", Broker("127.0.0.1", 2000, tls=False)),
        ("mqtts://broker", Broker("broker", 8883, tls=True)),
        ("mqtts://[::1]:443", Broker("::1", 443, tls=True)),
    ],
)
def test_a_broker_is_configured_by_its_url(url: str, expected: Broker) -> None:
    assert Broker.parse(url) == expected


@pytest.mark.parametrize(
    "url", ["", "broker", "broker:1883", "http://broker", "mqtt://", "mqtt://b:port", "mqtt://b/x"]
)
def test_another_url_is_refused_with_what_was_expected(url: str) -> None:
    with pytest.raises(BadConfig, match="broker"):
        config(broker=url)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"project": "a/b"}, "project"),
        ({"project": ""}, "project"),
        ({"device": "#"}, "device"),
        ({"device": "x" * 64}, "device"),
        ({"alias": "+"}, "alias"),
        ({"interval": -1}, "interval"),
        ({"spool_bytes": 0}, "spool"),
        ({"threads": 0}, "threads"),
        ({"cert": Path("c")}, "needs its key"),
        ({"key": Path("k")}, "needs its key"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_once(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadConfig, match=reason):
        config(**changes)


def test_certificates_that_are_not_there_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="certificates"):
        config(ca=tmp_path / "none.pem").tls()


@pytest.mark.parametrize("damaged", ["cam.pem", "cam.key"])
def test_a_damaged_certificate_or_key_is_named_with_what_to_do(tmp_path: Path, damaged: str) -> None:
    issued = trustme.CA().issue_cert("cam-1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cam.pem")
    issued.private_key_pem.write_to_path(tmp_path / "cam.key")
    own = config(cert=tmp_path / "cam.pem", key=tmp_path / "cam.key")
    own.tls()
    (tmp_path / damaged).write_bytes(b"")

    with pytest.raises(BadConfig, match=rf"{damaged} .*cannot be read .*copy them to this device again"):
        own.tls()
