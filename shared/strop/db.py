"""The engine, sessions, and the lock under which time-driven work runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def engine(url: str, pool: int = 10) -> AsyncEngine:
    """Make an engine from a plain `postgresql://` URL."""
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=pool, pool_pre_ping=True
    )


def sessions(bound: AsyncEngine) -> Sessions:
    return async_sessionmaker(bound, expire_on_commit=False)


@asynccontextmanager
async def tick(make: Sessions, name: str) -> AsyncIterator[AsyncSession | None]:
    """Open the transaction of a tick, or None when another copy of the service is in the middle of the same one.

    The advisory lock belongs to the transaction, so a crash frees it.
    """
    async with make.begin() as session:
        locked = await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0))))
        yield session if locked else None
