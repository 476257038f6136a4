"""What a user would type: enrol, set the policy, import, train. The functions that the `strop` commands call."""

from collections.abc import Iterable
from pathlib import Path

from custom_labels.projects import control as projects
from ingest import enrolment
from router import policies
from strop import app, members, tokens
from strop_cli import access, api, base_images
from strop_contracts.states import Role
from trainer import triggers

POLICY = {"audit_rate": 0.3, "device_per_hour": 100_000, "fleet_per_hour": 1_000_000}
"""A day's worth of images passes in a minute here: more audits than a real fleet needs, and budgets that never bite."""


async def enrol(runtime: app.Runtime, project: str, devices: Iterable[str]) -> None:
    async with runtime.sessions.begin() as session:
        await projects.create(session, project)
        for device in devices:
            await enrolment.add_device(session, project, device)
        await policies.set_policy(session, project, POLICY)


def import_base(where: access.Access, project: str, folder: Path) -> base_images.Imported:
    """Import the base set over the control API. Blocks."""
    _, files = base_images.find(folder, project, "base")
    with api.Api(where) as client:
        return base_images.DataSet(client, project, "base").load(files)


async def train(runtime: app.Runtime, project: str) -> None:
    async with runtime.sessions.begin() as session:
        await triggers.by_hand(session, project)


async def sign_in_link(runtime: app.Runtime, url: str) -> str:
    """A link to a page whose button signs one browser in, once."""
    async with runtime.sessions.begin() as session:
        await members.grant(session, "you", Role.ADMIN)
        return f"{url}/sign-in?token={await tokens.make(session, 'you', 'once')}"
