"""Models and states of devices, and the files that they request."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import rules
from ingest.queries import pairs
from strop_contracts import tables
from strop_wire import reports


async def models(session: AsyncSession, devices: Collection[rules.Device]) -> dict[rules.Device, str | None]:
    """Return the model that each enrolled one of these devices reported, None if it has not."""
    rows = await session.execute(_MODELS, pairs.parameters(devices))
    return {(project, name): model for project, name, model in rows}


_MODELS = select(tables.Device.project, tables.Device.name, tables.Device.model).where(
    pairs.among(tables.Device.project, tables.Device.name)
)


async def upsert_reports(
    session: AsyncSession, states: Mapping[tuple[str, str, UUID], reports.State]
) -> set[tuple[str, str, UUID]]:
    """Store the newest state of each boot; returns the keys of those that are newer than what was stored."""
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


async def set_running(session: AsyncSession, running: Mapping[rules.Device, str | None]) -> None:
    """Store which model each device runs, and that it was seen now."""
    now = datetime.now(UTC)
    rows = [
        {"project": project, "name": name, "model": model, "seen_at": now}
        for (project, name), model in sorted(running.items())
    ]
    await session.execute(update(tables.Device), rows)


async def model_files(
    session: AsyncSession, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tables.ModelFile]:
    """Return files of models by (project, sha256)."""
    table = tables.ModelFile
    condition = pairs.among(table.project, table.sha256)
    files = await session.scalars(select(table).where(condition), pairs.parameters(wanted))
    return {(file.project, file.sha256): file for file in files}
