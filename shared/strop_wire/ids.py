"""UUIDv7 (RFC 9562, section 5.7): sortable by time, made by whoever creates the thing."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    millis = time.time_ns() // 1_000_000
    value = (millis & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=value)


def new_id() -> str:
    return str(uuid7())
