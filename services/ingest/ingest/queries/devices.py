"""Models and states of devices, and the files that they request."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import rules
from ingest.queries import pairs
from strop_contracts import tables
from strop_wire import reports


async def lock(session: AsyncSession, devices: Collection[rules.Device]) -> dict[rules.Device, str | None]:
    """Lock the enrolled ones of these devices until the end of the transaction; returns the model that each reported.

    So two replicas that receive states of one device add to its counts one after the other.
    """
    rows = await session.execute(_MODELS, pairs.parameters(devices))
    return {(project, name): model for project, name, model in rows}


_MODELS = (
    select(tables.Device.project, tables.Device.name, tables.Device.model)
    .where(pairs.among(tables.Device.project, tables.Device.name))
    .order_by(tables.Device.project, tables.Device.name)
    .with_for_update(key_share=True)  # a capture's check that the device is enrolled does not wait
)


async def groups(session: AsyncSession, devices: Collection[rules.Device]) -> dict[rules.Device, str]:
    """Return the group of each enrolled one of these devices."""
    rows = await session.execute(_GROUPS, pairs.parameters(devices))
    return {(project, name): group for project, name, group in rows}


_GROUPS = select(tables.Device.project, tables.Device.name, tables.Device.device_group).where(
    pairs.among(tables.Device.project, tables.Device.name)
)


async def upsert_reports(
    session: AsyncSession, states: Mapping[tuple[str, str, UUID], reports.State]
) -> set[tuple[str, str, UUID]]:
    """Store the newest state of each boot, without its usage; returns the keys of those newer than what was stored."""
    table = tables.DeviceReport
    rows = [
        {
            "project": key[0],
            "device": key[1],
            "boot": key[2],
            "sequence": state.sequence,
            "state": replace(state, usage=()),
        }
        for key, state in sorted(states.items(), key=lambda item: item[0])
    ]
    new = postgresql.insert(table)
    statement = new.on_conflict_do_update(
        index_elements=[table.project, table.device, table.boot],
        set_={"sequence": new.excluded.sequence, "state": new.excluded.state, "at": func.now()},
        where=table.sequence < new.excluded.sequence,
    ).returning(table.project, table.device, table.boot)
    return {(project, device, boot) for project, device, boot in await session.execute(statement, rows)}


async def set_latest(session: AsyncSession, latest: Mapping[rules.Device, reports.State]) -> None:
    """Store what each device last reported of itself, and that it was seen now."""
    now = datetime.now(UTC)
    rows = [
        {
            "project": project,
            "name": name,
            "seen_at": now,
            **{
                column: getattr(state, column) for column in ("model", "agent", "spool_items", "spool_bytes", "dropped")
            },
            "errors": list(state.errors),
        }
        for (project, name), state in sorted(latest.items(), key=lambda each: each[0])
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
