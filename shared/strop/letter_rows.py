"""The row of a dead letter: a message and why it could not be sent or handled. The caller commits."""

import hashlib

from sqlalchemy import func
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import states, tables
from strop_wire import ids


async def write(session: AsyncSession, service: str, body: str, reason: str) -> None:
    """Write a letter; the same body again opens its row again, with the new reason and a count one higher."""
    body = storable(body)
    table = tables.DeadLetter
    row = {"service": service, "sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body, "reason": reason}
    again = {"reason": reason, "count": table.count + 1, "last_at": func.now(), "state": states.LetterState.OPEN}
    await session.execute(
        postgresql.insert(table)
        .values(id=ids.uuid7(), **row)
        .on_conflict_do_update(index_elements=[table.service, table.sha256], set_=again)
    )


def storable(body: str) -> str:
    """Return a body that a database accepts: NUL, and what is no character of UTF-8, are replaced."""
    return body.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
