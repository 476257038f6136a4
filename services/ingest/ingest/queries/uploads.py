"""Uploads: what was decided about the image of a capture, and whether it arrived."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import String, Table, Uuid, and_, bindparam, case, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import rules
from ingest.queries import captures
from strop import db
from strop_contracts import states, tables

Decided = tuple[tables.Capture, tables.Upload]
"""A capture and the decision about its image."""


async def decide(session: AsyncSession, decisions: Iterable[Mapping[str, Any]]) -> list[Decided]:
    """Store decisions about captures' images; an earlier decision stands. Returns the decisions that hold now.

    Columns of each row: capture_id, state, and key or reason.
    """
    ordered = sorted(decisions, key=itemgetter("capture_id"))
    await db.insert_many(session, tables.Upload, ordered)
    rows = await captures.get(session, [row["capture_id"] for row in ordered])
    return [(capture, upload) for capture, upload in rows.values() if upload]


async def mark_stored(session: AsyncSession, keys: Mapping[UUID, str]) -> dict[UUID, tables.Upload]:
    """Store that captures' images arrived at these keys; returns the changed rows, without those stored or dropped before.

    A row may be missing: the upload can precede the commit of the grant.
    """
    table = tables.Upload
    now = datetime.now(UTC)
    rows = [
        {"capture_id": id_, "key": key, "state": states.UploadState.STORED, "stored_at": now}
        for id_, key in sorted(keys.items())
    ]
    new = postgresql.insert(table)
    statement = new.on_conflict_do_update(
        index_elements=[table.capture_id],
        set_={name: new.excluded[name] for name in ("key", "state", "stored_at", "reason")},
        where=or_(
            table.state == states.UploadState.GRANTED,
            and_(table.state == states.UploadState.DROPPED, table.reason.startswith(rules.LOST)),
        ),
    ).returning(table)
    return {upload.capture_id: upload for upload in await session.scalars(statement, rows)}


async def count_attempt(
    session: AsyncSession, capture: tables.Capture, reason: str, before: int
) -> tables.Upload | None:
    """Count an arrival that did not match, and drop the capture when that was the last attempt.

    None, and no change, unless `before` attempts are counted at present and the image is still expected.
    """
    table = tables.Upload
    last = table.attempts + 1 >= rules.MAX_ATTEMPTS
    return await session.scalar(
        update(table)
        .where(table.capture_id == capture.id, table.state == states.UploadState.GRANTED, table.attempts == before)
        .values(
            attempts=table.attempts + 1,
            state=case((last, states.UploadState.DROPPED), else_=table.state),
            reason=case((last, reason), else_=table.reason),
        )
        .returning(table)
    )


async def drop_lost(session: AsyncSession, lost: Mapping[tuple[rules.Device, UUID], str]) -> None:
    """Drop captures that their devices lost, decided or not; captures of other devices, stored and dropped ones stay."""
    ordered = sorted(lost.items(), key=lambda item: item[0][1])
    values = {
        "ids": [id_ for (_, id_), _ in ordered],
        "projects": [project for ((project, _), _), _ in ordered],
        "devices": [device for ((_, device), _), _ in ordered],
        "reasons": [reason for _, reason in ordered],
    }
    await session.execute(_DROP_LOST, values)


_LOST = (
    func.unnest(
        bindparam("ids", type_=postgresql.ARRAY(Uuid)),
        *(bindparam(name, type_=postgresql.ARRAY(String)) for name in ("projects", "devices", "reasons")),
    )
    .table_valued("id", "project", "device", "reason")
    .render_derived()
)
_LOST_BY_OWNER = (
    select(tables.Capture.id, literal(states.UploadState.DROPPED), _LOST.c.reason)
    .join(_LOST, tables.Capture.id == _LOST.c.id)
    .where(tables.Capture.project == _LOST.c.project, tables.Capture.device == _LOST.c.device)
    .order_by(tables.Capture.id)
)
_NEW_LOST = postgresql.insert(cast(Table, tables.Upload.__table__)).from_select(
    ["capture_id", "state", "reason"], _LOST_BY_OWNER, include_defaults=False
)
_DROP_LOST = _NEW_LOST.on_conflict_do_update(
    index_elements=[tables.Upload.capture_id],
    set_={"state": _NEW_LOST.excluded.state, "reason": _NEW_LOST.excluded.reason},
    where=tables.Upload.state == states.UploadState.GRANTED,
)


async def drop(session: AsyncSession, capture: tables.Capture, reason: str) -> tables.Upload | None:
    """Drop the image of a capture; None if it was stored or dropped before."""
    table = tables.Upload
    return await session.scalar(
        update(table)
        .where(table.capture_id == capture.id, table.state == states.UploadState.GRANTED)
        .values(state=states.UploadState.DROPPED, reason=reason)
        .returning(table)
    )
