"""Ports that stay."""

import socket
from pathlib import Path

import pytest

from strop_devstack.platform import ports
from strop_devstack.platform.errors import PlatformError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def test_a_port_stays_the_same_for_its_name(state: Path) -> None:
    assert ports.stable(state, "one") == ports.stable(state, "one") == ports.remembered(state, "one")
    assert ports.stable(state, "one") != ports.stable(state, "two")


def test_a_taken_port_is_replaced_and_the_new_one_remembered(state: Path) -> None:
    port = ports.stable(state, "one")
    with socket.create_server(("127.0.0.1", port)):
        new = ports.stable(state, "one")

    assert new != port
    assert ports.stable(state, "one") == new


def test_a_port_just_left_by_a_server_is_free(state: Path) -> None:
    port = ports.stable(state, "one")
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
        server.accept()[0].close()  # the side that closes first keeps the port in TIME_WAIT

    assert ports.stable(state, "one") == port


def test_a_port_written_by_hand_is_used(state: Path) -> None:
    port = ports.stable(state, "one")
    (state / "run" / "one.port").write_bytes(b"%d\n" % port)

    assert ports.stable(state, "one") == ports.remembered(state, "one") == port


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0\0", b"70000", b"0", b"-1"], ids=range(5))
def test_a_damaged_file_is_named_with_what_to_do(state: Path, content: bytes) -> None:
    ports.stable(state, "one")
    (state / "run" / "one.port").write_bytes(content)

    with pytest.raises(PlatformError, match=r"one\.port is damaged: .* remove it to have a new one"):
        ports.stable(state, "one")
