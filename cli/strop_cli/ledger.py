"""`strop ledger`: was anything lost or doubled? Counted from the tables and the devices' own journals, not assumed.

Every capture that a device announced must be there exactly once, with one route, one fate of its image and, when the image
was stored, one label task; and no training run or deployment may exist twice. The demo and the tests ask the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app
from strop_cli import connection
from strop_contracts import errors

# By hash joins: an index lookup for each of millions of captures would take minutes.
_WRONG = text(
    """
    with captured as (select id, count(*) as rows from captures where project = :project group by id),
         routed as (select capture_id, count(*) as rows from routes where project = :project group by capture_id),
         tasked as (select capture_id, count(*) as rows from label_tasks where project = :project group by capture_id),
         judged as (
             select c.id, greatest(c.rows, r.rows, t.rows) > 1 as doubled,
                    r.rows is null or u.state is null or u.state = 'granted' or (u.state = 'stored' and t.rows is null)
                    as unsettled
             from captured c left join routed r on r.capture_id = c.id left join tasked t on t.capture_id = c.id
                  left join uploads u on u.capture_id = c.id)
    select id::text, doubled, unsettled from judged where doubled or unsettled
    """
)

_FATES = text(
    """
    select c.id::text as id, u.state as fate from captures c left join uploads u on u.capture_id = c.id
    where c.project = :project and c.id = any(cast(:ids as uuid[]))
    """
)

_COUNT = text("select count(*) from captures where project = :project")

_SAME = text(
    """
    select id::text from
      (select id, count(*) over (partition by device, sha256) as same from captures where project = :project) as counted
    where same > 1
    """
)

_REPEATED = text(
    """
    select 'training run ' || run_id || ' made ' || count(*) || ' model versions' from model_versions
    where project = :project group by run_id having count(*) > 1
    union all
    select count(*) || ' training runs at once' from training_runs
    where project = :project and state in ('requested', 'running') and manifest is null having count(*) > 1
    union all
    select 'v' || model_version || ' was rolled out ' || count(*) || ' times' from deployments
    where project = :project and kind = 'rollout' group by model_version having count(*) > 1
    union all
    select count(*) || ' deployments at once' from deployments
    where project = :project and state = 'running' having count(*) > 1
    """
)


@dataclass(frozen=True)
class Ledger:
    """Capture ids that are not accounted for exactly once. All empty is what must be, once nothing is on its way."""

    captures: int  # rows
    announced: int  # captures in the devices' journals
    lost: list[str] = field(default_factory=list)  # a device announced it, and it has no row
    doubled: list[str] = field(default_factory=list)  # two rows, routes or tasks; or one image of one device twice
    unsettled: list[str] = field(default_factory=list)  # no route, no fate, or stored without a task
    disagreeing: list[str] = field(default_factory=list)  # the device says stored, the tables do not
    repeated: list[str] = field(default_factory=list)  # training runs and deployments that exist twice, in words

    @property
    def wrong(self) -> bool:
        """Whether there is something that no waiting will mend."""
        return bool(self.lost or self.doubled or self.disagreeing or self.repeated)

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.unsettled)


async def check(session: AsyncSession, project: str, journals: Mapping[str, str]) -> Ledger:
    """Compare. `journals`: capture id -> the last fate in its device's own journal, of devices that saw no image twice."""
    found = await look(session, project, journals)
    return Ledger(**{**vars(found), "doubled": [*found.doubled, *await session.scalars(_SAME, {"project": project})]})


async def look(session: AsyncSession, project: str, journals: Mapping[str, str]) -> Ledger:
    """Like `check`, of devices that may well take the same picture twice."""
    about = {"project": project}
    wrong = (await session.execute(_WRONG, about)).all()
    known = {row.id: row.fate for row in await session.execute(_FATES, {**about, "ids": list(journals)})}
    return Ledger(
        captures=await session.scalar(_COUNT, about) or 0,
        announced=len(journals),
        lost=[capture for capture, fate in journals.items() if capture not in known and _was_announced(fate)],
        doubled=[row.id for row in wrong if row.doubled],
        unsettled=[row.id for row in wrong if row.unsettled],
        disagreeing=[id_ for id_, fate in journals.items() if fate == "stored" and known.get(id_, fate) != fate],
        repeated=list(await session.scalars(_REPEATED, about)),
    )


def _was_announced(fate: str) -> bool:
    """What a device itself dropped may have gone before the cloud heard of it; it is counted there."""
    return fate != "kept" and (not fate.startswith("dropped:") or fate.startswith("dropped:cloud:"))


# --- the command ---

Journals = Annotated[
    list[Path] | None, typer.Option("--device-state", help="State folder of an agent, to compare its journal as well.")
]


def ledger(project: str, device_state: Journals = None, state: connection.State = None) -> None:
    """Account for every capture of a project; ends with 1 when something was lost or doubled."""
    from strop_edge import journal

    fates = {capture: fate for folder in device_state or [] for capture, fate in journal.fates(folder).items()}
    found = connection.run(state, lambda runtime: _look(runtime, project, fates))
    Console().print(shown(project, found))
    if found.wrong:
        raise typer.Exit(1)


async def _look(runtime: app.Runtime, project: str, fates: Mapping[str, str]) -> Ledger:
    async with runtime.sessions() as session:
        if not await session.scalar(text("select count(*) from projects where name = :project"), {"project": project}):
            raise errors.NotFound(f"there is no project {project}")
        return await look(session, project, fates)


def shown(project: str, found: Ledger) -> Table:
    table = Table(title=f"ledger of {project}", show_header=False, title_justify="left")
    table.add_row("captures", f"{found.captures:,}")
    table.add_row("of the devices' journals", f"{found.announced:,}")
    table.add_row("on their way", f"{len(found.unsettled):,}")
    for name in ("lost", "doubled", "disagreeing"):
        table.add_row(name, _some(getattr(found, name)))
    table.add_row("training runs and deployments that exist twice", "; ".join(found.repeated) or "0")
    return table


def _some(captures: list[str]) -> str:
    named = ", ".join(captures[:5]) + (", …" if len(captures) > 5 else "")
    return f"[red]{len(captures):,}[/]  {named}" if captures else "0"
