"""Rights in tests: services run with those of their role, tests arrange and look with those of the tables' owner."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app, db

_OWNERS: dict[str, db.Sessions] = {}


@asynccontextmanager
async def owner_of(database_url: str) -> AsyncIterator[db.Sessions]:
    """Open the owner's sessions of a database, which `arranging` returns while the block runs."""
    engine = db.engine(database_url, pool=1)
    _OWNERS[database_url] = db.sessions(engine)
    try:
        yield _OWNERS[database_url]
    finally:
        del _OWNERS[database_url]
        await engine.dispose()


def arranging(runtime: app.Runtime) -> db.Sessions:
    """Return sessions with the owner's rights for what a test arranges and looks at; else those of the runtime itself."""
    return _OWNERS.get(runtime.settings.database_url, runtime.sessions)


@asynccontextmanager
async def owner(session: AsyncSession) -> AsyncIterator[AsyncSession]:
    """Give a session the owner's rights while the block runs; what the block adds is flushed."""
    role = await session.scalar(text("select current_user"))
    await session.flush()
    await session.execute(text("set local role none"))
    yield session
    await session.flush()
    await session.execute(text(f'set local role "{role}"'))
