"""`strop status`: what exists, what is queued, and what failed."""

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from strop_cli import api, connection
from strop_contracts import control


def status(state: connection.State = None) -> None:
    """Show the counts of each project, the messages in the queues, and the open dead letters."""
    with api.opened(state) as client:
        found = client.get(control.Status, "console", "status")
    Console().print(Group(*map(_project, found.projects), _services(found)))


def _project(project: control.ProjectStatus) -> Table:
    table = Table(title=f"project {project.name}", show_header=False, title_justify="left")
    for name, value in project.figures.items():
        table.add_row(escape(name), escape(value))
    return table


def _services(status: control.Status) -> Table:
    table = Table("service", "messages waiting", "dead letters")
    for service in status.services:
        table.add_row(service.name, str(service.waiting), f"[red]{service.dead}" if service.dead else "0")
    table.caption = notes(status.unsent, sum(service.dead for service in status.services))
    return table


def notes(unsent: int, dead: int) -> str | None:
    """Return a remark about unsent messages and dead letters; None if there are none."""
    lines = [f"{unsent} messages not yet sent to a queue"] if unsent else []
    if dead:
        lines.append("`strop dlq list` shows the dead letters")
    return "; ".join(lines) or None
