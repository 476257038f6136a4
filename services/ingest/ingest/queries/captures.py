"""Captures: the insert of a batch with its events, and captures with what was decided about their images."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db
from strop_contracts import keys, states, tables

BY_HAND = "hand"
"""The reason of captures that people brought; devices have those of `strop_wire.messages.REASONS`."""

Key = tuple[str, str, UUID]
"""Project, device and id: two devices may announce the same id."""


async def insert(session: AsyncSession, rows: Iterable[Mapping[str, Any]], queues: Sequence[str]) -> dict[Key, bool]:
    """Insert captures of enrolled devices, and for each new one its event in the outbox, in one statement and round trip.

    Returns the others, and whether their device is enrolled: if so, a capture with this id exists. It is a transaction of
    its own when the session has not begun one (`db.fetch`). Each row has the columns of `rules.capture_row`, and `body`,
    the event for the queues.
    """
    others = await db.fetch(session, _INSERT, to_json(rows).decode(), queues)
    return {(each["project"], each["device"], each["id"]): each["enrolled"] for each in others}


_COLUMNS = {
    "id": "uuid",
    "project": "text",
    "device": "text",
    "captured_at": "timestamptz",
    "model": "text",
    "predictions": "jsonb",
    "label": "text",
    "confidence": "float8",
    "margin": "float8",
    "reason": "text",
    "audit": "bool",
    "audit_probability": "float8",
    "probability": "float8",
    "policy": "int",
    "sha256": "text",
    "size": "int",
    "content_type": "text",
    "phash": "text",
    "seen": "int",
}
"""The columns of `captures` that a device fills in, with their types."""
_NAMES = ", ".join(_COLUMNS)
_TYPED = ", ".join(map(" ".join, _COLUMNS.items()))
_INSERT = f"""
with given as (select * from json_to_recordset($1::json) as given ({_TYPED}, body text)),
enrolled as (
    select project, name as device from devices where (project, name) in (select project, device from given)
),
fresh as (
    insert into captures ({_NAMES}) select {_NAMES} from given join enrolled using (project, device) order by id
    on conflict do nothing returning project, device, id
),
sent as (
    insert into outbox (queue, body)
    select queue, body from given join fresh using (project, device, id)
    cross join unnest($2::text[]) as queues (queue)
)
select project, device, id, enrolled.device is not null as enrolled
from given left join fresh using (project, device, id) left join enrolled using (project, device)
where fresh.id is null
"""  # noqa: S608 - names of columns


async def get(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, tuple[tables.Capture, tables.Upload | None]]:
    """Return captures by id, each with the row of its upload: None until something was decided."""
    rows = await session.execute(
        select(tables.Capture, tables.Upload)
        .outerjoin(tables.Upload, tables.Upload.capture_id == tables.Capture.id)
        .where(tables.Capture.id == any_(literal(list(ids), postgresql.ARRAY(Uuid))))
        .execution_options(populate_existing=True)  # rows change by statements that the session does not see
    )
    return {capture.id: (capture, upload) for capture, upload in rows}


async def of_project(session: AsyncSession, project: str, id_: UUID | None) -> tables.Capture | None:
    """Return a capture of this project; None without an id, and for captures of others."""
    capture = await session.get(tables.Capture, id_) if id_ else None
    return capture if capture and capture.project == project else None


async def of_content(session: AsyncSession, project: str, sha256: str) -> tuple[tables.Capture, tables.Upload] | None:
    """Return the newest stored capture of this content, with its upload."""
    capture, upload = tables.Capture, tables.Upload
    stored = (capture.project == project, capture.sha256 == sha256, upload.state == states.UploadState.STORED)
    joined = select(capture, upload).join(upload, upload.capture_id == capture.id).where(*stored)
    row = (await session.execute(joined.order_by(capture.at.desc(), capture.id.desc()).limit(1))).first()
    return (row[0], row[1]) if row else None


async def insert_by_hand(session: AsyncSession, id_: UUID, project: str, **about: Any) -> bool:
    """Insert the capture of an image that no device announced: without a prediction. False if it is there already.

    `about`: sha256, size and content_type.
    """
    unknown = {"model": "", "predictions": [], "label": "", "confidence": 0.0, "margin": 0.0, "policy": 0, "seen": 1}
    chosen = {"reason": BY_HAND, "audit": False, "audit_probability": 0.0, "probability": 1.0}
    row = {"id": id_, "project": project, "device": keys.BY_HAND, "captured_at": func.now(), **unknown, **chosen}
    new = postgresql.insert(tables.Capture).values(**row, **about).on_conflict_do_nothing()
    return (await session.execute(new.returning(tables.Capture.id))).first() is not None
