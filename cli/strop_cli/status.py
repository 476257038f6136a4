"""`strop status`: what there is, what waits, and what went wrong."""

import asyncio

from rich.console import Console, Group
from rich.table import Table
from sqlalchemy import RowMapping, text

from strop import app, topology
from strop_cli import connection

_PROJECTS = text(
    """
    select p.name,
           (select count(*) from devices d where d.project = p.name) as devices,
           (select count(*) from captures c where c.project = p.name) as captures,
           (select count(*) from uploads u join captures c on c.id = u.capture_id
            where c.project = p.name and u.state = 'stored') as images,
           (select count(*) from label_tasks t where t.project = p.name and t.state = 'open') as "to label",
           (select count(*) from ground_truth g where g.project = p.name and g.label is not null) as labels,
           (select count(*) from dataset_items i where i.project = p.name and i.refused is null) as "base images",
           (select count(*) from model_versions m where m.project = p.name) as models,
           (select r.state from training_runs r where r.project = p.name order by r.at desc limit 1) as training,
           (select 'v' || d.model_version || ' ' || d.state from deployments d
            where d.project = p.name order by d.at desc limit 1) as deployment
    from projects p order by p.name
    """
)


def status(state: connection.State = None) -> None:
    """Show the counts of each project, and what waits in the queues and dead-letter queues."""
    Console().print(connection.run(state, _status))


async def _status(runtime: app.Runtime) -> Group:
    return Group(*await _projects(runtime), await _queues(runtime))


async def _projects(runtime: app.Runtime) -> list[Table]:
    async with runtime.sessions() as session:
        return [_project(row) for row in (await session.execute(_PROJECTS)).mappings()]


def _project(row: RowMapping) -> Table:
    table = Table(title=f"project {row['name']}", show_header=False, title_justify="left")
    for figure, value in row.items():
        if figure != "name":
            table.add_row(figure, "none yet" if value is None else str(value))
    return table


async def _queues(runtime: app.Runtime) -> Table:
    names = [name for service in topology.SERVICES for name in (service, topology.dead_letter(service))]
    depths = await asyncio.gather(*map(runtime.queues.depth, names))
    table = Table("service", "messages waiting", "dead letters")
    for service, waiting, dead in zip(topology.SERVICES, depths[::2], depths[1::2], strict=True):
        table.add_row(service, str(waiting), f"[red]{dead}" if dead else "0")
    async with runtime.sessions() as session:
        unsent = await session.scalar(text("select count(*) from outbox"))
    table.caption = f"{unsent} messages not yet sent to a queue"
    return table
