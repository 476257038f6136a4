"""Was anything lost or doubled? Counted from the devices' own journals against the tables, not assumed.

Every capture that a device announced must be there exactly once, with one route, one fate of its image and, when the image
was stored, one label task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COUNTS = text(
    """
    select c.id::text as id,
           count(*) over (partition by c.device, c.sha256) as same,
           (select count(*) from routes r where r.capture_id = c.id) as routes,
           u.state as fate,
           (select count(*) from label_tasks t where t.capture_id = c.id) as tasks
    from captures c left join uploads u on u.capture_id = c.id
    where c.project = :project
    """
)


@dataclass(frozen=True)
class Ledger:
    """Capture ids that are not accounted for exactly once. All empty is what must be."""

    announced: int
    lost: list[str] = field(default_factory=list)  # a device announced it, and it has no row
    doubled: list[str] = field(default_factory=list)  # two rows or two tasks for one image of one device
    unsettled: list[str] = field(default_factory=list)  # no route, no fate, or stored without a task
    disagreeing: list[str] = field(default_factory=list)  # the device says stored, the tables do not

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.unsettled or self.disagreeing)


async def check(session: AsyncSession, project: str, journals: Mapping[str, str]) -> Ledger:
    """Compare. `journals`: capture id -> the last fate in its device's own journal."""
    rows = {row.id: row for row in await session.execute(_COUNTS, {"project": project})}
    return Ledger(
        announced=len(journals),
        lost=[capture for capture in journals if capture not in rows],
        doubled=[capture for capture, row in rows.items() if row.same > 1 or row.tasks > 1 or row.routes > 1],
        unsettled=[
            capture
            for capture, row in rows.items()
            if not row.routes or row.fate not in {"stored", "dropped"} or (row.fate == "stored" and not row.tasks)
        ],
        disagreeing=[c for c, fate in journals.items() if c in rows and fate == "stored" and rows[c].fate != "stored"],
    )
