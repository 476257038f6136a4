"""The ledger: which captures are lost or doubled, by the tables and the journals of the devices.

Every announced capture must have exactly one row, one route, one fate of its image and, if the image is stored, one label
task (an image brought by hand has no route); and no training run or deployment may exist twice. What waits for an event far beyond the time after which the event is
emitted again is stuck. The demo and the tests check the same.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from strop import reconciler
from strop_contracts import keys, waits
from strop_contracts.control import Ledger

STUCK = 6
"""A row is stuck at this many times the age at which its event is emitted again; that happened three times by then. Slow kinds
are stuck later, see `reconciler.SLOW`."""

_WAITS = [wait for kinds in waits.BY_SERVICE.values() for wait in kinds]

# By hash joins: an index lookup for each of millions of captures would take minutes.
_WRONG = text(
    """
    with captured as (select id, device, count(*) as rows from captures where project = :project group by id, device),
         routed as (select capture_id, count(*) as rows from routes where project = :project group by capture_id),
         tasked as (select capture_id, count(*) as rows from label_tasks where project = :project group by capture_id),
         judged as (
             select c.id, greatest(c.rows, r.rows, t.rows) > 1 as doubled,
                    (r.rows is null and c.device <> :by_hand) or u.state is null or u.state = 'granted' or (u.state = 'stored' and t.rows is null)
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


async def check(session: AsyncSession, project: str, journals: Mapping[str, str], after: float = 600) -> Ledger:
    """Compare. `after`: age in seconds at which events are emitted again. `journals`: capture id -> the last fate in its device's own journal, of devices that saw no image twice."""
    found = await look(session, project, journals, after)
    return Ledger(**{**dict(found), "doubled": [*found.doubled, *await session.scalars(_SAME, {"project": project})]})


async def look(session: AsyncSession, project: str, journals: Mapping[str, str], after: float = 600) -> Ledger:
    """Like `check`, of devices that may well take the same picture twice."""
    about = {"project": project}
    wrong = (await session.execute(_WRONG, {**about, "by_hand": keys.BY_HAND})).all()
    known = {row.id: row.fate for row in await session.execute(_FATES, {**about, "ids": list(journals)})}
    return Ledger(
        captures=await session.scalar(_COUNT, about) or 0,
        announced=len(journals),
        lost=[capture for capture, fate in journals.items() if capture not in known and _was_announced(fate)],
        doubled=[row.id for row in wrong if row.doubled],
        unsettled=[row.id for row in wrong if row.unsettled],
        disagreeing=[id_ for id_, fate in journals.items() if fate == "stored" and known.get(id_, fate) != fate],
        repeated=list(await session.scalars(_REPEATED, about)),
        stuck=await reconciler.stuck(session, _WAITS, project, STUCK * after),
    )


def _was_announced(fate: str) -> bool:
    """A capture that a device dropped may be missing in the tables; the device counts it."""
    return fate != "kept" and (not fate.startswith("dropped:") or fate.startswith("dropped:cloud:"))
