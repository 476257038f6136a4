"""MQTT packets as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop import packets


@given(
    payload=st.binary(max_size=300),
    packet_id=st.integers(1, 65_535),
    cut=st.integers(0, 700),
    topic=st.text(max_size=20),
)
def test_a_stream_cut_anywhere_gives_the_same_messages(payload: bytes, packet_id: int, cut: int, topic: str) -> None:
    stream = packets.publish(topic, payload, packet_id) * 2

    first, rest = packets.split(stream[:cut])
    second, rest = packets.split(rest + stream[cut:])

    assert [packets.message(each) for each in first + second] == [(topic, payload, packet_id, 1)] * 2
    assert rest == b""


@pytest.mark.parametrize("size", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_every_number_of_length_bytes_is_read(size: int) -> None:
    complete, rest = packets.split(packets.publish("t", bytes(size), 1))
    assert packets.message(complete[0])[1] == bytes(size)
    assert not rest


def test_a_length_of_five_bytes_is_malformed() -> None:
    with pytest.raises(packets.Malformed):
        packets.split(b"\x30\xff\xff\xff\xff\x01")


def test_a_message_at_qos_0_has_no_packet_id() -> None:
    assert packets.message((packets.PUBLISH, b"\x00\x01tpayload")) == ("t", b"payload", 0, 0)


def test_only_a_repeated_publish_is_marked_as_duplicate() -> None:
    assert packets.repeated(packets.publish("t", b"", 1))[0] == 0x3A
    assert packets.repeated(packets.unsubscribe(["t"], 1)) == packets.unsubscribe(["t"], 1)


def test_connect_carries_the_flags_of_session_and_password() -> None:
    plain = packets.connect("me", None, "", clean=False, keepalive=30)
    secret = packets.connect("me", "user", "word", clean=True, keepalive=30)

    assert plain == b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x1e\x00\x02me"
    assert secret[9] == 0xC2
    assert secret.endswith(b"\x00\x02me\x00\x04user\x00\x04word")


def test_acknowledgements_are_four_bytes_each() -> None:
    assert packets.pubacks([1, 258]) == b"\x40\x02\x00\x01\x40\x02\x01\x02"
