"""The packets of MQTT 3.1.1 that a client at QoS 1 sends and receives, as bytes. Pure."""

import struct
from collections.abc import Iterable, Sequence

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK = 0x20, 0x30, 0x40, 0x90, 0xB0
"""Types of the packets that a broker sends: the upper four bits of the first byte."""

PING = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

_DUP = 0x08
_PUBACK = struct.Struct("!BBH")
_SHORT = struct.Struct("!H")

Packet = tuple[int, bytes]
"""The first byte and the body."""


class Malformed(ConnectionError):
    """The other end does not send MQTT."""


def connect(client_id: str, username: str | None, password: str, *, clean: bool, keepalive: int) -> bytes:
    """`clean` discards the session that the broker holds for this client id; `keepalive` is in seconds."""
    flags = 0x02 if clean else 0
    texts = [client_id]
    if username is not None:
        flags |= 0xC0
        texts += [username, password]
    body = _text("MQTT") + bytes([4, flags]) + _SHORT.pack(keepalive) + b"".join(map(_text, texts))
    return _packet(0x10, body)


def publish(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """Publish at QoS 1."""
    return _packet(PUBLISH | 0x02 | retain, _text(topic) + _SHORT.pack(packet_id) + payload)


def subscribe(filters: Sequence[str], packet_id: int) -> bytes:
    """Subscribe to all filters at QoS 1."""
    return _packet(0x82, _SHORT.pack(packet_id) + b"".join(_text(each) + b"\x01" for each in filters))


def unsubscribe(filters: Sequence[str], packet_id: int) -> bytes:
    return _packet(0xA2, _SHORT.pack(packet_id) + b"".join(map(_text, filters)))


def pubacks(packet_ids: Iterable[int]) -> bytes:
    """Acknowledge many messages in one write."""
    return b"".join(_PUBACK.pack(PUBACK, 2, each) for each in packet_ids)


def repeated(packet: bytes) -> bytes:
    """Mark a PUBLISH as a duplicate; other packets have no such mark."""
    return bytes([packet[0] | _DUP]) + packet[1:] if packet[0] & 0xF0 == PUBLISH else packet


def split(data: bytes) -> tuple[list[Packet], bytes]:
    """Split received bytes into complete packets and the rest; Malformed when a length is none."""
    complete: list[Packet] = []
    start, available = 0, len(data)
    while available - start >= 2:
        position, length, shift = start + 1, 0, 0
        while position < available and (byte := data[position]) & 0x80:
            length |= (byte & 0x7F) << shift
            shift += 7
            position += 1
            if shift > 21:
                raise Malformed("a packet's length has more than four bytes")
        if position == available:
            break
        length |= data[position] << shift
        end = position + 1 + length
        if end > available:
            break
        complete.append((data[start], data[position + 1 : end]))
        start = end
    return complete, data[start:]


def message(packet: Packet) -> tuple[str, bytes, int, int]:
    """Read a PUBLISH: topic, payload, packet id (0 at QoS 0) and QoS."""
    first, body = packet
    qos = first >> 1 & 3
    end = 2 + (body[0] << 8 | body[1])
    topic = body[2:end].decode()
    if not qos:
        return topic, body[end:], 0, 0
    return topic, body[end + 2 :], body[end] << 8 | body[end + 1], qos


def packet_id(packet: Packet) -> int:
    """Read the packet id of an acknowledgement."""
    return packet[1][0] << 8 | packet[1][1]


def _text(text: str) -> bytes:
    data = text.encode()
    return _SHORT.pack(len(data)) + data


def _packet(first: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes([first]) + bytes(length) + body
