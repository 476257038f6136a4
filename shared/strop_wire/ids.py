"""UUIDv7 (RFC 9562, section 5.7): sortable by time, created by the sender."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    millis = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big")
    value = (millis & (1 << 48) - 1) << 80 | 7 << 76 | (chance >> 62 & 0xFFF) << 64 | 2 << 62 | chance & (1 << 62) - 1
    return UUID(int=value)


def new_id() -> str:
    return str(uuid7())
