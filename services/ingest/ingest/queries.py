"""What ingest reads and writes in Postgres. Nothing here commits.

Rows go in sorted by their key: two ingests that are given the same messages then wait for each other, not in a circle.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    String,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute

from ingest import places, rules
from strop import db
from strop_contracts import states, tables
from strop_wire import reports

Pair = tuple[tables.Capture, tables.Upload]


def _among(first: QueryableAttribute[str], second: QueryableAttribute[str]) -> Any:
    """Whether two columns are one of the pairs that `_pairs` passes: the same statement for any number of them."""
    listed = func.unnest(*(bindparam(name, type_=postgresql.ARRAY(String)) for name in ("firsts", "seconds")))
    columns = listed.table_valued("first", "second").render_derived()
    return tuple_(first, second).in_(select(columns.c.first, columns.c.second))


def _pairs(wanted: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    ordered = sorted(wanted)
    return {"firsts": [first for first, _ in ordered], "seconds": [second for _, second in ordered]}


# --- devices ---


async def models_of_devices(session: AsyncSession, devices: Collection[rules.Device]) -> dict[rules.Device, str | None]:
    """The model each of these devices runs, as far as known; a device that is not enrolled is left out."""
    found = await session.execute(_MODELS, _pairs(devices))
    return {(project, name): model for project, name, model in found}


_MODELS = select(tables.Device.project, tables.Device.name, tables.Device.model).where(
    _among(tables.Device.project, tables.Device.name)
)


async def upsert_reports(
    session: AsyncSession, states: Mapping[tuple[str, str, UUID], reports.State]
) -> set[tuple[str, str, UUID]]:
    """Keep the newest state of each boot; returns the keys of those that were news."""
    table = tables.DeviceReport
    rows = [
        {"project": key[0], "device": key[1], "boot": key[2], "sequence": state.sequence, "state": state}
        for key, state in sorted(states.items(), key=lambda item: item[0])
    ]
    new = postgresql.insert(table)
    statement = new.on_conflict_do_update(
        index_elements=[table.project, table.device, table.boot],
        set_={"sequence": new.excluded.sequence, "state": new.excluded.state, "at": func.now()},
        where=table.sequence < new.excluded.sequence,
    ).returning(table.project, table.device, table.boot)
    return {(project, device, boot) for project, device, boot in await session.execute(statement, rows)}


async def update_devices(session: AsyncSession, running: Mapping[rules.Device, str | None]) -> None:
    """Write down which model each device runs, and that it was seen now."""
    now = datetime.now(UTC)
    rows = [
        {"project": project, "name": name, "model": model, "seen_at": now}
        for (project, name), model in sorted(running.items())
    ]
    await session.execute(update(tables.Device), rows)


async def model_files(
    session: AsyncSession, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tables.ModelFile]:
    """Files of models by (project, sha256)."""
    table = tables.ModelFile
    found = await session.scalars(select(table).where(_among(table.project, table.sha256)), _pairs(wanted))
    return {(file.project, file.sha256): file for file in found}


# --- captures and their uploads ---


CaptureKey = tuple[str, str, UUID]
"""Project, device and id: two devices may announce the same id."""


async def insert_captures(
    session: AsyncSession, rows: Iterable[Mapping[str, Any]], queues: Sequence[str]
) -> dict[CaptureKey, bool]:
    """Insert captures of enrolled devices, and for each new one its event in the outbox, in one statement and round trip.

    Returns the others, and whether their device is enrolled: if so, a capture with this id exists. It is a transaction of
    its own when the session has not begun one (`db.fetch`). Each row has the columns of `rules.capture_row`, and `body`,
    the event for the queues.
    """
    others = await db.fetch(session, _INSERT_CAPTURES, to_json(rows).decode(), queues)
    return {(each["project"], each["device"], each["id"]): each["enrolled"] for each in others}


_CAPTURE_COLUMNS = {
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
_NAMES = ", ".join(_CAPTURE_COLUMNS)
_TYPED = ", ".join(map(" ".join, _CAPTURE_COLUMNS.items()))
_INSERT_CAPTURES = f"""
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


async def captures(
    session: AsyncSession, ids: Collection[UUID]
) -> dict[UUID, tuple[tables.Capture, tables.Upload | None]]:
    """Captures with what became of their images, None as long as nothing was decided."""
    found = await session.execute(
        select(tables.Capture, tables.Upload)
        .outerjoin(tables.Upload, tables.Upload.capture_id == tables.Capture.id)
        .where(tables.Capture.id == any_(literal(list(ids), postgresql.ARRAY(Uuid))))
        .execution_options(populate_existing=True)  # rows change by statements that the session does not see
    )
    return {capture.id: (capture, upload) for capture, upload in found}


async def decide(session: AsyncSession, rows: Iterable[Mapping[str, Any]]) -> list[Pair]:
    """Write what shall become of captures' images, unless that was written before; returns what is now true.

    Columns of each row: capture_id, state, and key or reason.
    """
    ordered = sorted(rows, key=itemgetter("capture_id"))
    await db.insert_many(session, tables.Upload, ordered)
    pairs = await captures(session, [row["capture_id"] for row in ordered])
    return [(capture, upload) for capture, upload in pairs.values() if upload]


async def mark_stored(session: AsyncSession, keys: Mapping[UUID, str]) -> dict[UUID, tables.Upload]:
    """Record the arrival of captures' images at these keys; what was recorded, or dropped by us, before is left out.

    A row may be missing: the device can be quicker than the commit of the grant.
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


async def count_attempt(session: AsyncSession, capture: tables.Capture, reason: str) -> tables.Upload | None:
    """Count an arrival that did not match, and drop the capture when that was the last attempt."""
    table = tables.Upload
    last = table.attempts + 1 >= places.MAX_ATTEMPTS
    return await session.scalar(
        update(table)
        .where(table.capture_id == capture.id, table.state == states.UploadState.GRANTED)
        .values(
            attempts=table.attempts + 1,
            state=case((last, states.UploadState.DROPPED), else_=table.state),
            reason=case((last, reason), else_=table.reason),
        )
        .returning(table)
    )


async def drop_lost(session: AsyncSession, lost: Mapping[tuple[rules.Device, UUID], str]) -> None:
    """Settle captures that their devices lost, decided on or not; not those of other devices, nor what is stored or dropped."""
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
    """Give up on a capture's image; None when it was stored or dropped before."""
    table = tables.Upload
    return await session.scalar(
        update(table)
        .where(table.capture_id == capture.id, table.state == states.UploadState.GRANTED)
        .values(state=states.UploadState.DROPPED, reason=reason)
        .returning(table)
    )


# --- images ---


async def known_images(session: AsyncSession, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these images, by (project, sha256), that are stored."""
    table = tables.Image
    named = select(table.project, table.sha256).where(_among(table.project, table.sha256))
    found = await session.execute(named, _pairs(wanted))
    return {(project, sha256) for project, sha256 in found}


async def add_images(session: AsyncSession, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write down images whose bytes are in their place; those that are known stay as they are."""
    await db.insert_many(session, tables.Image, sorted(rows, key=itemgetter("project", "sha256")))


async def take_turn(session: AsyncSession, key: str) -> None:
    """Wait until no other transaction writes the row of this key; the end of this one lets the next in."""
    await db.lock(session, f"dataset-item {key}")


async def put_dataset_item(
    session: AsyncSession,
    key: str,
    place: places.DatasetImage,
    placed_at: datetime,
    sequencer: str,
    **judged: str | None,
) -> None:
    """Write down an image of a base data set (`sha256`) or why it was `refused`; a file written again replaces its row.

    The sequencer of a late event never takes the place of a newer one.
    """
    table = tables.DatasetItem
    values = {"label": place.label, "placed_at": placed_at, "sha256": None, "refused": None, **judged}
    about = {"project": place.project, "key": key, "dataset": place.dataset, "split": place.split}
    new = postgresql.insert(table).values(**about, **values, sequencer=sequencer.lower().rjust(32, "0"))
    newest = func.greatest(table.sequencer, new.excluded.sequencer)
    changes = {**values, "sequencer": newest, "at": func.now()}
    await session.execute(new.on_conflict_do_update(index_elements=[table.project, table.key], set_=changes))


async def delete_dataset_item(session: AsyncSession, project: str, key: str) -> bool:
    """Forget a file of a base data set; False when it was not known."""
    table = tables.DatasetItem
    statement = delete(table).where(table.project == project, table.key == key).returning(table.key)
    return (await session.execute(statement)).first() is not None


# --- enrolment ---


async def add_device(session: AsyncSession, project: str, name: str) -> bool:
    """False when there is one of this name."""
    return await _add(session, tables.Device, project=project, name=name)


async def remove_device(session: AsyncSession, project: str, name: str) -> bool:
    """False when there is none of this name."""
    table = tables.Device
    statement = delete(table).where(table.project == project, table.name == name).returning(table.name)
    return (await session.execute(statement)).first() is not None


async def _add(session: AsyncSession, table: type[tables.Base], **values: Any) -> bool:
    statement = postgresql.insert(table).values(**values).on_conflict_do_nothing().returning(table.__table__.c.at)
    return (await session.execute(statement)).first() is not None


async def has_project(session: AsyncSession, name: str) -> bool:
    """Is there such a project? One that is being deleted counts no more."""
    found = await session.get(tables.Project, name)
    return found is not None and found.deletion_id is None


async def devices(session: AsyncSession, project: str) -> Sequence[tables.Device]:
    wanted = select(tables.Device).where(tables.Device.project == project).order_by(tables.Device.name)
    return (await session.scalars(wanted)).all()
