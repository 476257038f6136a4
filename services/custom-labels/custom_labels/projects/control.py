"""Control routes of projects: create and list them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop import control
from strop_contracts import control as documents
from strop_contracts import errors, tables
from strop_contracts.states import Role
from strop_wire import topics

router = control.routes("custom-labels")


@router.get("/projects")
async def show(session: control.Session, caller: control.Caller) -> list[documents.Project]:
    """List the caller's projects by name."""
    own = [each for each in await projects(session) if caller.may(Role.REVIEWER, each.name)]
    return [documents.Project(name=each.name, at=each.at) for each in own]


@router.post("/projects", status_code=201)
async def add(wanted: documents.NewProject, session: control.Session) -> documents.NewProject:
    """Create a project; 409 if the name is invalid or taken."""
    await create(session, wanted.name)
    return wanted


async def create(session: AsyncSession, name: str) -> None:
    """Create the project of a fleet; Refused if the name is invalid or taken. The caller commits."""
    if not topics.valid_name(name):
        raise errors.Refused(
            f"{name!r} cannot be the name of a project: use 1 to 63 letters, digits, hyphens and underscores, "
            "a letter or digit first"
        )
    new = insert(tables.Project).values(name=name).on_conflict_do_nothing().returning(tables.Project.name)
    if await session.scalar(new) is None:
        raise errors.Refused(f"project {name} exists already")


async def projects(session: AsyncSession) -> Sequence[tables.Project]:
    """Return all projects, by name."""
    return (await session.scalars(select(tables.Project).order_by(tables.Project.name))).all()
